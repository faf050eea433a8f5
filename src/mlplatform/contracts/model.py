"""Model versions: what is stored in the registry, and who may serve when."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mlplatform.contracts.columns import Column, Feature

Format = Literal["onnx", "skops"]
State = Literal["registered", "verified", "candidate", "champion", "retired", "rejected"]
Action = Literal["propose", "approve", "promote", "rollback", "reject"]
SHA256 = r"^[0-9a-f]{64}$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Told(_Record):
    """What the data API tells others, who may be older than it: fields that they don't know yet are left out."""

    model_config = ConfigDict(extra="ignore")


class ModelFile(_Record):
    """One line of a manifest."""

    path: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$",
        description="Relative to the model's artifact folder; no '..'.",
    )
    size: int = Field(ge=0)
    sha256: str = Field(pattern=SHA256)


class Manifest(_Record):
    """SHA-256 of every file of a model.

    Stored as manifest.json beside them; its own digest is in the promotion record.
    """

    files: tuple[ModelFile, ...]


class Output(_Record):
    """What the model answers per row."""

    name: str
    dtype: Literal["float64", "int64", "string", "bool"]
    width: int = Field(
        default=1, ge=1, description="Numbers per row; more than 1 for class probabilities."
    )


class Signature(_Record):
    """signature.json: raw columns in, features between, outputs out."""

    pipeline: str
    task: Literal["classification", "regression"]
    inputs: tuple[Column, ...]
    key: str | None = None
    time: str | None = None
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    classes: tuple[str, ...] | tuple[int, ...] | None = None
    format: Format
    model_file: str = Field(description="model.onnx or model.skops")
    features_digest: str = Field(pattern=SHA256)
    commit: str


class ModelVersion(_Told):
    """A version as the data API records it."""

    pipeline: str
    version: str = Field(description="Number that MLflow gave.")
    state: State
    run_id: str = Field(description="MLflow run.")
    artifacts: str = Field(
        description="Path of the model folder below MLflow's artifact proxy: '<experiment>/<run>/artifacts/model'."
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


class Promotion(_Told):
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


class ModelStatus(_Told):
    """GET /v1/models/{name}: what serves, what waits."""

    pipeline: str
    record: int = Field(
        description="Id of the latest promotion; 0 when there is none. Serving follows changes of it."
    )
    champion: ModelVersion | None
    candidate: ModelVersion | None
    previous: ModelVersion | None
