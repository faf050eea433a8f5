"""gates.json: what a training run says of the version that it judged."""

from __future__ import annotations

from pydantic import Field

from mlplatform.contracts.foreign_model import ImportedModel
from mlplatform.contracts.frozen import FrozenAnswer
from mlplatform.contracts.model import SHA256
from mlplatform.contracts.pipeline import Gate


class JudgedGate(FrozenAnswer):
    """One gate, or one slice of it."""

    metric: str
    condition: str
    passed: bool
    value: float | None = Field(allow_inf_nan=False)
    bound: float | None = Field(allow_inf_nan=False)
    slice: str
    counts: bool


class JudgedCase(FrozenAnswer):
    """One behavioural case; `complaint` is empty when it holds."""

    name: str
    complaint: str


class GateReport(FrozenAnswer):
    """What of a gate report can be compared with what the data API knows itself."""

    pipeline: str
    run: str = Field(description="MLflow run.")
    commit: str
    features_digest: str
    manifest_sha256: str = Field(pattern=SHA256)
    receipt: str
    dataset_sha256: str
    champion: str | None
    required: tuple[Gate, ...] = Field(description="Gates of the definition that was applied.")
    gates: tuple[JudgedGate, ...]
    cases: tuple[JudgedCase, ...]
    passed: bool
    imported: ImportedModel | None = Field(
        default=None, description="Where the model's file comes from, if it was not trained here."
    )
