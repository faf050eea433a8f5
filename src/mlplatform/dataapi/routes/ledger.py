"""The ledger: who touched which data."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mlplatform.contracts.ledger import LedgerEntry
from mlplatform.dataapi.routes.calling import BEARER, Calling, Limit, Parts, problems

router = APIRouter(prefix="/v1", tags=["ledger"], dependencies=BEARER)


@router.get("/ledger", summary="Who touched which data (admin).", responses=problems())
def read_ledger(
    caller: Calling,
    parts: Parts,
    subject: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 100,
) -> list[LedgerEntry]:
    """Newest first."""
    return list(parts.ledger.latest(caller, subject=subject, limit=limit))
