"""The balance."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, PipelineFilter, problems

router = APIRouter(prefix="/v1", tags=["balance"], dependencies=BEARER)


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


@router.get("/balance", summary="Does everything add up?", responses=problems())
def read_balance(caller: Calling, parts: Parts, pipeline: PipelineFilter = None) -> BalanceSheet:
    """Every accepted request and every raw row, accounted for."""
    return BalanceSheet(**parts.balance.take(caller, pipeline=pipeline))
