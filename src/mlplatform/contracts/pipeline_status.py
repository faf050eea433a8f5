"""Pipelines as they were applied, and how far etl is with their features."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.model import SHA256
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.text import Word


class ApplyRequest(Frozen):
    """A definition with the commit that its features code lies at."""

    definition: dict[str, Any] = Field(description="pipeline.yaml as JSON.")
    commit: Word = Field(examples=["9b1f6c0d3a5e7f8091a2b3c4d5e6f708192a3b4c"])
    features_digest: str = Field(pattern=SHA256)


class AppliedPipeline(FrozenAnswer):
    """A definition as it was applied."""

    name: str
    definition: dict[str, Any]
    commit: str
    features_digest: str
    applied_at: datetime
    applied_by: str

    def parsed(self) -> PipelineDefinition:
        """The definition, checked. Raises InvalidInput that names the key."""
        return PipelineDefinition.parse(self.definition, where=f"definition of {self.name}")


class FeaturesProgress(FrozenAnswer):
    """etl's progress with a features digest. Rows are counted as they were dealt with."""

    digest: str
    ready: bool
    waiting_requests: int
    featured: int
    quarantined: int
    dropped: int = Field(
        default=0, description="Of the quarantined ones, those that a person has given up."
    )
    failure: str | None = Field(description="Why etl can't compute these features.")
    mark: int = Field(
        description="Read the dataset as of this mark (`as_of`) to get all that etl has passed, "
        "also from a standby that lags."
    )
