"""The balance."""

from __future__ import annotations

from fastapi import APIRouter

from mlplatform.contracts.balance import BalanceSheet
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, PipelineFilter, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(prefix="/v1", tags=["balance"], dependencies=BEARER, route_class=GuardedRoute)


@router.get("/balance", summary="Does everything add up?", responses=problems())
@needs(rights.VIEW_BALANCE, subject="balance", pipeline="pipeline")
def read_balance(caller: Calling, parts: Parts, pipeline: PipelineFilter = None) -> BalanceSheet:
    """Every accepted request and every raw row, accounted for."""
    return parts.balance.take(caller, pipeline=pipeline)


@router.post("/balance/proof", summary="Count every row.", responses=problems())
@needs(rights.PROVE_BALANCE, subject="balance")
def prove_balance(caller: Calling, parts: Parts) -> BalanceSheet:
    """The balance from all rows, and where it differs from what was kept of the last proof.

    What it counts is kept: later balances count only what came since.
    """
    return parts.balance.prove(caller)
