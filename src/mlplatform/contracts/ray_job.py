"""What a training hands to its job on a Ray cluster, and what the job hands back.

Both are artifacts of the training's MLflow run; their SHA-256 travels another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.dataset import Receipt
from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.model import SHA256
from mlplatform.contracts.pipeline import PipelineDefinition

RESULT_LINE = "mlplatform-result sha256:"
"""Begins the line of the job's log that names the digest of its result."""
ENTRYPOINT = "python -m mlplatform.trainer.ray.job"
BoosterFormat = Literal["xgboost", "lightgbm"]


class RayTask(Frozen):
    """One training: the pinned pipeline, and the dataset as the trainer has read it."""

    definition: PipelineDefinition
    commit: str
    features_digest: str = Field(pattern=SHA256)
    features: tuple[Feature, ...]
    model_py: str = Field(description="The text of model.py.")
    receipt: Receipt = Field(description="Of the trainer's own read; the job's must be the same.")
    wait_s: float = Field(ge=0, description="How long a lagging standby is waited for.")
    seconds: float = Field(gt=0, description="The job ends itself after so long.")


class RayTrial(Frozen):
    """One combination of parameters, as `mlplatform.trainer.results.Trial`."""

    model_config = ConfigDict(ser_json_inf_nan="strings")  # a score may be undefined

    parameters: Mapping[str, Any]
    scores: tuple[float, ...]
    seconds: float
    failure: str
    rows: int


class RayResult(Frozen):
    """The search, and the model file that lies beside this record."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    format: BoosterFormat
    file: str
    sha256: str = Field(pattern=SHA256)
    size: int = Field(ge=1)
    classes: tuple[str, ...] = Field(description="In the model's order; empty: a regression.")
    trees: int | None = Field(description="Rounds of trees, where the booster stopped early.")
    trials: tuple[RayTrial, ...]
    planned: int
    best: Mapping[str, Any]
    answers: tuple[tuple[float, ...], ...] = Field(
        description="What the fitted booster answers to the first training rows."
    )
