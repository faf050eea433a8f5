"""How long the records of a pipeline are kept: the kinds, and what pipeline.yaml may say."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from mlplatform.contracts.frozen import Frozen

PipelineKind = Literal[
    "requests",
    "feature_rows",
    "features",
    "quarantine",
    "quarantine_open",
    "labels",
    "imports",
    "runs",
    "receipts",
]
"""Kinds that belong to one pipeline, in the order in which a run removes them."""
SharedKind = Literal["dead_letters", "ledger", "logs"]
"""Kinds that belong to all pipelines together."""
Kind = Literal[PipelineKind, SharedKind]
PIPELINE_KINDS: tuple[PipelineKind, ...] = get_args(PipelineKind)
SHARED_KINDS: tuple[SharedKind, ...] = get_args(SharedKind)
DAYS = 36_500
"""Most days that can be said: a hundred years."""


class RetentionDays(Frozen):
    """`retention:` of a pipeline: days for each kind; what is left out has the platform's days."""

    requests: int | None = Field(default=None, ge=1, le=DAYS, description="Requests as they came.")
    feature_rows: int | None = Field(
        default=None, ge=1, le=DAYS, description="Feature rows whose requests are removed."
    )
    features: int | None = Field(
        default=None, ge=1, le=DAYS, description="Feature tables, since nothing uses them."
    )
    quarantine: int | None = Field(
        default=None, ge=1, le=DAYS, description="Quarantined rows, since they were decided."
    )
    quarantine_open: int | None = Field(
        default=None, ge=1, le=DAYS, description="Quarantined rows that nobody has decided."
    )
    labels: int | None = Field(default=None, ge=1, le=DAYS, description="Labels.")
    imports: int | None = Field(
        default=None, ge=1, le=DAYS, description="Keys by which a repeated import is known."
    )
    runs: int | None = Field(
        default=None, ge=1, le=DAYS, description="Files of failed runs and rejected versions."
    )
    receipts: int | None = Field(
        default=None, ge=1, le=DAYS, description="Receipts that no version needs."
    )

    def given(self) -> dict[PipelineKind, int]:
        """The kinds that were said, with their days."""
        found = {kind: getattr(self, kind) for kind in PIPELINE_KINDS}
        return {kind: days for kind, days in found.items() if days is not None}
