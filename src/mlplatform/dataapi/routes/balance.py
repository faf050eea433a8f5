"""Quarantine, outboxes, balance, ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.dataapi.routes.calling import BEARER, Body, Calling, Parts, Word, problems
from mlplatform.database.outboxes import Heartbeat

router = APIRouter(prefix="/v1", tags=["records"], dependencies=BEARER)

Pipeline = Annotated[str | None, Query(pattern=PIPELINE_NAME)]
Name = Annotated[str, StringConstraints(pattern=PIPELINE_NAME)]
Limit = Annotated[int, Query(ge=1, le=10_000)]
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


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


class OutboxReport(Body):
    """What an outbox says of itself. `versions`: pipeline -> version that answers there."""

    host: Word
    accepted: Number
    acknowledged: Number
    versions: dict[Name, Word] = Field(default_factory=dict)
    closed: bool = Field(
        default=False, description="Drained and gone for good: the queue holds all of it."
    )


class OutboxLine(BaseModel):
    """Balance of one outbox: accepted = stored + dead_lettered + missing + in_flight."""

    outbox_id: str
    host: str
    accepted: int
    acknowledged: int
    stored: int
    dead_lettered: int
    in_flight: int = Field(
        description="Numbers above the highest one stored: in the outbox or the queue, or waiting to be stored."
    )
    missing: list[tuple[int, int]] = Field(
        description="Ranges that are neither stored nor dead letters, though higher ones are; and what an outbox that fell silent still held."
    )
    oldest_gap_s: float = Field(
        description="How long the longest-standing gap is there: one that stays is a loss."
    )
    versions: dict[str, str]
    closed: bool
    seen_at: datetime | None


class RequestsLine(BaseModel):
    """Over all outboxes."""

    stored: int
    dead_lettered: int


class RowsLine(BaseModel):
    """Balance of one pipeline: raw = featured + quarantined + waiting + not_applicable.

    `unaccounted` is the rest and must be 0.
    """

    raw: int
    featured: int
    quarantined: int
    waiting: int
    not_applicable: int = Field(description="Rows of a pipeline that was never applied.")
    unaccounted: int


class BalanceSheet(BaseModel):
    """Counted from real rows."""

    outboxes: list[OutboxLine]
    requests: RequestsLine
    rows: dict[str, RowsLine]


class LedgerLine(BaseModel):
    """One access to data."""

    id: int
    at: datetime
    caller: str
    action: str
    subject: str
    columns: list[str] | None
    rows: int | None
    lsn: str | None
    outcome: str = Field(
        description="ok, opened (a stream that began), cut (its reader went away), or the class of the refusal."
    )
    detail: dict[str, Any]


@router.get("/quarantine", summary="What broke its contract, newest first.", responses=problems())
def read_quarantine(
    caller: Calling, parts: Parts, pipeline: Pipeline = None, limit: Limit = 100
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


@router.post(
    "/outboxes/{outbox_id}",
    status_code=204,
    summary="Heartbeat of an outbox.",
    responses=problems(422),
)
def report_outbox(outbox_id: UUID, body: OutboxReport, caller: Calling, parts: Parts) -> None:
    """Lower numbers than before don't count."""
    parts.outboxes.heard(caller, Heartbeat(str(outbox_id), **body.model_dump()))


@router.get("/balance", summary="Does everything add up?", responses=problems())
def read_balance(caller: Calling, parts: Parts, pipeline: Pipeline = None) -> BalanceSheet:
    """Every accepted request and every raw row, accounted for."""
    return BalanceSheet(**parts.balance.take(caller, pipeline=pipeline))


@router.get("/ledger", summary="Who touched which data (admin).", responses=problems())
def read_ledger(
    caller: Calling,
    parts: Parts,
    subject: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 100,
) -> list[LedgerLine]:
    """Newest first."""
    return [LedgerLine(**row) for row in parts.ledger.latest(caller, subject=subject, limit=limit)]
