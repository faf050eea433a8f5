"""Reports of the outboxes."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from mlplatform.contracts.outbox_report import OutboxAnswer, OutboxReport
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(prefix="/v1", tags=["outboxes"], dependencies=BEARER, route_class=GuardedRoute)


@router.post(
    "/outboxes/{outbox_id}",
    summary="Heartbeat of an outbox.",
    responses=problems(422),
)
@needs(rights.REPORT_OUTBOX, subject="outboxes.{outbox_id}")
def report_outbox(
    outbox_id: UUID, body: OutboxReport, caller: Calling, parts: Parts
) -> OutboxAnswer:
    """Lower numbers than before don't count; the answer says what was known."""
    return parts.outboxes.report(caller, str(outbox_id), body)
