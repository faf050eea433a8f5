"""Retention: what is past its days, its removal, and legal holds."""

from __future__ import annotations

from fastapi import APIRouter

from mlplatform.contracts.removed import Removed, RemoveRequest
from mlplatform.contracts.retention import Hold, HoldRequest, RetentionPlan, TableSize
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, PipelineName, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(prefix="/v1", tags=["retention"], dependencies=BEARER, route_class=GuardedRoute)


@router.get("/retention", summary="Days of every kind, and holds.", responses=problems())
@needs(rights.VIEW_RETENTION, subject="retention")
def read_plan(caller: Calling, parts: Parts) -> RetentionPlan:
    """The steps of a run in the order in which they are to be taken, and the holds that stand."""
    return parts.retention.plan(caller)


@router.get("/retention/sizes", summary="What every table takes.", responses=problems())
@needs(rights.VIEW_RETENTION, subject="retention")
def read_sizes(caller: Calling, parts: Parts) -> list[TableSize]:
    """Bytes on each server, the largest table first. Rows are an estimate of PostgreSQL's."""
    return parts.retention.sizes(caller)


@router.post("/retention/remove", summary="Remove what is past its days.", responses=problems(422))
@needs(rights.REMOVE, subject="retention")
def remove(body: RemoveRequest, caller: Calling, parts: Parts) -> Removed:
    """Of one kind, some at a time: while the answer says `more`, send the request again."""
    return parts.retention.remove(caller, body)


@router.post(
    "/retention/holds/{name}", summary="Put under a legal hold.", responses=problems(404, 409, 422)
)
@needs(rights.HOLD, subject="{name}", pipeline="name")
def hold(name: PipelineName, body: HoldRequest, caller: Calling, parts: Parts) -> Hold:
    """Nothing of the pipeline is removed until the hold is released."""
    return parts.retention.hold(caller, name, body.why)


@router.post(
    "/retention/holds/{name}/release", summary="End a legal hold.", responses=problems(409, 422)
)
@needs(rights.HOLD, subject="{name}", pipeline="name")
def release(name: PipelineName, body: HoldRequest, caller: Calling, parts: Parts) -> Hold:
    """Returns the hold that has ended. The next run removes what is past its days."""
    return parts.retention.release(caller, name, body.why)
