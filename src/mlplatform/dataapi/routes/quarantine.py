"""The quarantine, and asking etl to try its rows again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mlplatform.dataapi.routes.calling import (
    BEARER,
    Body,
    Calling,
    Limit,
    Name,
    Parts,
    PipelineFilter,
    problems,
)

router = APIRouter(prefix="/v1", tags=["quarantine"], dependencies=BEARER)


class Quarantined(BaseModel):
    """Something that broke its contract. `digest` is empty for what was refused at the door."""

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


class Redrive(Body):
    """Which rows to try again; without ids all of the pipeline."""

    pipeline: Name = Field(examples=["diabetes"])
    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] | None = None


class Skipped(BaseModel):
    """An entry that can't be tried again."""

    id: int
    reason: str


class Redriven(BaseModel):
    """Rows that etl will try again, and named ones that it won't."""

    redriven: int
    skipped: list[Skipped]


@router.get("/quarantine", summary="What broke its contract, newest first.", responses=problems())
def read_quarantine(
    caller: Calling, parts: Parts, pipeline: PipelineFilter = None, limit: Limit = 100
) -> list[Quarantined]:
    """Unresolved entries, with the reason and the row."""
    return [
        Quarantined(**row)
        for row in parts.quarantine.unresolved(caller, pipeline=pipeline, limit=limit)
    ]


@router.post(
    "/quarantine/redrive",
    status_code=202,
    summary="Try quarantined rows again.",
    responses=problems(422),
)
def redrive(body: Redrive, caller: Calling, parts: Parts) -> Redriven:
    """It is done by etl, within seconds.

    Rows that are still bad come back with the newest reason.
    """
    return Redriven(**parts.quarantine.redrive(caller, body.pipeline, body.ids))
