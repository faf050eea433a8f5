"""Model versions and the promotion record: who may serve, since when, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.model import SHA256, Format
from mlplatform.contracts.pipeline import Redaction
from mlplatform.contracts.text import Text, Word

State = Literal["registered", "verified", "candidate", "champion", "retired", "rejected"]
Action = Literal["propose", "approve", "promote", "rollback", "withdraw", "reject"]
NUMBER = r"^[0-9]{1,18}$"
"""A version: the number that MLflow gave it."""


class ModelFacts(Frozen):
    """What the trainer stored in the registry."""

    version: str = Field(pattern=NUMBER, examples=["3"])
    run_id: Word = Field(examples=["5b0e6a1c9d7f4e21a3b8c6d5e4f30219"])
    artifacts: Word = Field(examples=["1/5b0e6a1c9d7f4e21a3b8c6d5e4f30219/artifacts/model"])
    manifest_sha256: str = Field(pattern=SHA256)
    features_digest: str = Field(pattern=SHA256)
    commit: Word
    format: Format
    receipt_id: Word = Field(
        description="Receipt of the dataset that it was trained on; of an imported "
        "version, judged on."
    )
    metrics: dict[str, float] = Field(default_factory=dict)


class VerifiedFiles(Frozen):
    """What the trainer found when it downloaded the files again."""

    manifest_sha256: str = Field(pattern=SHA256)


class Proposal(Frozen):
    """A version that passed its gates, with what proves it."""

    version: str = Field(pattern=NUMBER)
    why: Text
    gate_digest: str = Field(pattern=SHA256, description="SHA-256 of the gate report.")
    champion: str | None = Field(
        pattern=NUMBER, description="Champion that it was compared with; None: there was none."
    )


class PromotionRequest(Frozen):
    """A step of the state machine.

    A rollback without a version goes to the champion before this one; a withdrawal without one is
    the champion's.
    """

    action: Action
    version: str | None = Field(default=None, pattern=NUMBER, examples=["3"])
    why: Text = Field(examples=["passed all gates"])
    gate_digest: str | None = Field(
        default=None, pattern=SHA256, description="SHA-256 of the gate report; needed to propose."
    )
    champion: str | None = Field(
        default=None,
        pattern=NUMBER,
        description="Champion that a proposed version was compared with; empty: there was none.",
    )


class ModelVersion(FrozenAnswer):
    """A version as the data API records it."""

    pipeline: str
    version: str = Field(description="Number that MLflow gave.")
    state: State
    run_id: str = Field(description="MLflow run.")
    artifacts: str = Field(
        description="Path of the model folder below MLflow's artifact proxy: "
        "'<experiment>/<run>/artifacts/model'."
    )
    manifest_sha256: str = Field(pattern=SHA256)
    features_digest: str = Field(pattern=SHA256)
    commit: str
    format: Format
    receipt_id: str
    gate_digest: str | None = Field(
        default=None, description="SHA-256 of the gate report; set when proposed."
    )
    metrics: dict[str, float] = Field(default_factory=dict)
    created_at: datetime


class Promotion(FrozenAnswer):
    """One entry of the promotion record."""

    id: int
    pipeline: str
    version: str
    action: Action
    state: State = Field(description="State of the version after the action.")
    by: str
    why: str
    gate_digest: str | None = None
    previous: str | None = Field(default=None, description="Champion before the action.")
    at: datetime


class ModelStatus(FrozenAnswer):
    """GET /v1/models/{name}: what serves, what waits."""

    pipeline: str
    record: int = Field(
        description="Id of the latest promotion; 0 when there is none. "
        "Serving follows changes of it."
    )
    champion: ModelVersion | None
    candidate: ModelVersion | None
    previous: ModelVersion | None
    withdrawn: Promotion | None = Field(
        default=None, description="The withdrawal of the last champion; None: it was not withdrawn."
    )
    redact: dict[str, Redaction] = Field(
        default_factory=dict,
        description="What the applied definition redacts: serving keeps it from being stored.",
    )
