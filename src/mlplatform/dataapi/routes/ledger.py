"""The ledger: who touched which data."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mlplatform.contracts.ledger import LedgerEntry
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Limit, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(prefix="/v1", tags=["ledger"], dependencies=BEARER, route_class=GuardedRoute)


@router.get("/ledger", summary="Who touched which data (admin).", responses=problems())
@needs(rights.READ_LEDGER, subject="ledger")
def read_ledger(
    caller: Calling,
    parts: Parts,
    subject: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 100,
) -> list[LedgerEntry]:
    """Newest first."""
    return list(parts.ledger.latest(caller, subject=subject, limit=limit))
