"""Reports of the outboxes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mlplatform.dataapi.routes.calling import BEARER, Body, Calling, Name, Parts, Word, problems
from mlplatform.database.outboxes import Heartbeat

router = APIRouter(prefix="/v1", tags=["outboxes"], dependencies=BEARER)


Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


class OutboxReport(Body):
    """What an outbox says of itself. `versions`: pipeline -> version that answers there."""

    host: Word
    accepted: Number
    acknowledged: Number
    versions: dict[Name, Word] = Field(default_factory=dict)
    closed: bool = Field(
        default=False, description="Drained and gone for good: the queue holds all of it."
    )


@router.post(
    "/outboxes/{outbox_id}",
    status_code=204,
    summary="Heartbeat of an outbox.",
    responses=problems(422),
)
def report_outbox(outbox_id: UUID, body: OutboxReport, caller: Calling, parts: Parts) -> None:
    """Lower numbers than before don't count."""
    parts.outboxes.heard(caller, Heartbeat(str(outbox_id), **body.model_dump()))
