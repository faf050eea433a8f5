"""Stored records with their proof."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from mlplatform.contracts.evidence import EvidenceSheet, RecordsPage
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(prefix="/v1", tags=["evidence"], dependencies=BEARER, route_class=GuardedRoute)

Number = Annotated[int, Query(ge=0, le=2**63 - 1)]


@router.get("/evidence", summary="Outboxes whose records can be proven.", responses=problems())
@needs(rights.READ_EVIDENCE, subject="evidence")
def read_evidence(
    caller: Calling,
    parts: Parts,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> EvidenceSheet:
    """With the numbers that a window of time holds, from a proven standby."""
    return parts.evidence.sheet(caller, since=since, until=until)


@router.get(
    "/evidence/{outbox_id}/records",
    summary="Records of an outbox with their proof, by number.",
    responses=problems(422),
    response_model_exclude_none=True,
)
@needs(rights.READ_EVIDENCE, subject="evidence")
def read_records(
    outbox_id: UUID, caller: Calling, parts: Parts, after: Number = 0, upto: Number = 2**63 - 1
) -> RecordsPage:
    """Whole, as they are stored. The next page begins after the last number."""
    return parts.evidence.records(caller, str(outbox_id), after=after, upto=upto)
