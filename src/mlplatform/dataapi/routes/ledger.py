"""The ledger: who touched which data."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from mlplatform.dataapi.routes.calling import BEARER, Calling, Limit, Parts, problems

router = APIRouter(prefix="/v1", tags=["ledger"], dependencies=BEARER)


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


@router.get("/ledger", summary="Who touched which data (admin).", responses=problems())
def read_ledger(
    caller: Calling,
    parts: Parts,
    subject: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 100,
) -> list[LedgerLine]:
    """Newest first."""
    return [LedgerLine(**row) for row in parts.ledger.latest(caller, subject=subject, limit=limit)]
