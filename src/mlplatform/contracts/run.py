"""Training runs, as they are asked for and as the cluster sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.text import Text

RunState = Literal["waiting", "running", "succeeded", "failed"]


class RunRequest(Frozen):
    """Why a training is started."""

    reason: Text = Field(examples=["new labels"])


class RunStarted(FrozenAnswer):
    """The run's name on the cluster."""

    run: str


class Run(FrozenAnswer):
    """A run as the cluster sees it."""

    name: str
    pipeline: str
    state: RunState
    reason: str = Field(description="Why it was started; empty for scheduled ones.")
    started_at: datetime | None
    finished_at: datetime | None
    failure: str = Field(
        default="",
        description="What a failed run said last, e.g. which gate does not hold; empty where the "
        "cluster does not know it: then its log does.",
    )
