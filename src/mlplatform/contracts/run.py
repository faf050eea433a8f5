"""Training runs: how they are asked for, and the record that is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.text import Text, Word

RunState = Literal["waiting", "running", "succeeded", "failed", "lost", "cancelled"]
OPEN_STATES: tuple[RunState, ...] = ("waiting", "running")
"""All other states are final."""
RUN_ID = r"[0-9a-f]{32}"
JOB_NAME = r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?"
RUN_OR_JOB = rf"^({RUN_ID}|{JOB_NAME})$"

Job = Annotated[str, Field(pattern=rf"^({JOB_NAME})?$")]
Detail = Annotated[str, Field(max_length=4_000, pattern=r"^[^\x00]*$")]
Known = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class RunRequest(Frozen):
    """Why a training is started."""

    reason: Text = Field(examples=["new labels"])


class RunStep(FrozenAnswer):
    """A step of a run. `seconds` is empty while it goes on."""

    step: Word
    seconds: float | None = None


class RunVerdict(FrozenAnswer):
    """A gate or case in a line: what was required, what was found."""

    text: Detail
    passed: bool


class RunFailure(FrozenAnswer):
    """Why a run did not succeed: the class of the error, and what it says."""

    kind: Known
    message: Detail
    field: Known = ""
    fix: Detail = ""


class Run(FrozenAnswer):
    """The record of a run."""

    id: str
    pipeline: str
    job: str = Field(description="Name of its Job or process; empty when it has told none.")
    state: RunState
    outcome: str = Field(
        default="", description="What became of its version: champion or candidate."
    )
    reason: str = Field(description="Why it was started; empty for scheduled ones.")
    caller: str = Field(description="Who asked for it; of a scheduled one, the trainer.")
    key: str = Field(default="", description="The Idempotency-Key that it was asked for with.")
    requested_at: datetime
    submitted_at: datetime | None = Field(default=None, description="When the cluster took it.")
    started_at: datetime | None = Field(description="When it took the lease.")
    finished_at: datetime | None
    step: str = Field(default="", description="The last step that was begun.")
    steps: list[RunStep] = Field(default=[], description="Steps in their order.")
    version: str = ""
    verdicts: list[RunVerdict] = Field(default=[], description="Gates and cases, in short.")
    commit: str = ""
    gate_digest: str = ""
    receipt: str = ""
    mlflow_run: str = ""
    exit_code: int | None = Field(default=None, description="Of its process, as far as known.")
    failure: RunFailure | None = None
    cancelled_by: str = Field(default="", description="Who wanted it to end.")
    changes: int = Field(description="Counts up with every change; see the parameter `seen`.")

    @property
    def ending(self) -> str:
        """How it ended, after "run X": has failed, was lost."""
        verb = "was" if self.state in ("lost", "cancelled") else "has"
        return f"{verb} {self.state}"

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return self.state not in OPEN_STATES
