"""The stored offsets of the queue."""

from __future__ import annotations

from fastapi import APIRouter

from mlplatform.contracts.queue_offsets import QueueReset, QueueState
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(prefix="/v1", tags=["queue"], dependencies=BEARER, route_class=GuardedRoute)


@router.get("/queue", summary="How far the queue is stored.", responses=problems())
@needs(rights.VIEW_QUEUE, subject="queue")
def read_queue(caller: Calling, parts: Parts) -> QueueState:
    """The next offset of every partition, and what a reset would perhaps lose."""
    return parts.queue_offsets.state(caller)


@router.post(
    "/queue/reset", summary="Give up the stored offsets of a topic.", responses=problems(404, 422)
)
@needs(rights.RESET_QUEUE, subject="queue")
def reset_queue(body: QueueReset, caller: Calling, parts: Parts) -> QueueState:
    """The consumer begins where the queue does. Returns what was given up."""
    return parts.queue_offsets.reset(caller, body)
