"""Quarantine: rows, lines and labels that broke their contract, each with the reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.pipeline import PIPELINE_NAME


class Quarantined(FrozenAnswer):
    """Something that broke its contract. `digest` is empty for what the data API refused."""

    id: int
    pipeline: str
    digest: str | None
    request_id: UUID | None
    row: int | None
    column_name: str
    reason: str
    payload: Any
    at: datetime
    redrive_at: datetime | None


class RedriveRequest(Frozen):
    """Which rows to try again; without ids all of the pipeline."""

    pipeline: Annotated[str, StringConstraints(pattern=PIPELINE_NAME)] = Field(
        examples=["diabetes"]
    )
    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] | None = None


class Skipped(FrozenAnswer):
    """An entry that can't be tried again."""

    id: int
    reason: str


class Redriven(FrozenAnswer):
    """Rows that etl will try again, and named ones that it won't."""

    redriven: int
    skipped: list[Skipped]
