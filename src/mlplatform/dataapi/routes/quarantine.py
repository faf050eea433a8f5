"""The quarantine, and asking etl to try its rows again."""

from __future__ import annotations

from fastapi import APIRouter

from mlplatform.contracts.quarantine import Quarantined, Redriven, RedriveRequest
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import (
    BEARER,
    Calling,
    Limit,
    Parts,
    PipelineFilter,
    problems,
)
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(prefix="/v1", tags=["quarantine"], dependencies=BEARER, route_class=GuardedRoute)


@router.get("/quarantine", summary="What broke its contract, newest first.", responses=problems())
@needs(rights.READ_QUARANTINE, subject="quarantine", pipeline="pipeline")
def read_quarantine(
    caller: Calling, parts: Parts, pipeline: PipelineFilter = None, limit: Limit = 100
) -> list[Quarantined]:
    """Unresolved entries, with the reason and the row."""
    return list(parts.quarantine.unresolved(caller, pipeline=pipeline, limit=limit))


@router.post(
    "/quarantine/redrive",
    status_code=202,
    summary="Try quarantined rows again.",
    responses=problems(422),
)
@needs(rights.REDRIVE, subject="quarantine")
def redrive(body: RedriveRequest, caller: Calling, parts: Parts) -> Redriven:
    """It is done by etl, within seconds.

    Rows that are still bad come back with the newest reason.
    """
    return parts.quarantine.redrive(caller, body)
