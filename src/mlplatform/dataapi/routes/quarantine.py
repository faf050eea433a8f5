"""The quarantine, and what people decide about its entries."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime

from mlplatform.contracts.quarantine import (
    Corrected,
    CorrectRequest,
    Dropped,
    DropRequest,
    QuarantineCount,
    Quarantined,
    QuarantineFilter,
    QuarantineKind,
    Redriven,
    RedriveRequest,
    StateFilter,
)
from mlplatform.dataapi import rights
from mlplatform.dataapi.quarantine import selection
from mlplatform.dataapi.routes.calling import (
    BEARER,
    Calling,
    Limit,
    Parts,
    PipelineFilter,
    problems,
)
from mlplatform.dataapi.routes.guard import GuardedRoute, needs
from mlplatform.database.quarantine_entries import Selection

router = APIRouter(prefix="/v1", tags=["quarantine"], dependencies=BEARER, route_class=GuardedRoute)

EntryNumber = Annotated[int, Path(ge=1, le=2**63 - 1, description="Id of the entry.")]
Before = Annotated[
    int | None, Query(ge=1, le=2**63 - 1, description="Ids below it: the next page.")
]

Reason = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=500,
        description="Text that the reason holds; … stands for anything.",
    ),
]


def chosen(
    caller: Calling,
    *,
    pipeline: PipelineFilter = None,
    state: StateFilter = "open",
    kind: QuarantineKind | None = None,
    column: Annotated[str | None, Query(max_length=200)] = None,
    reason: Reason = None,
    request_id: UUID | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> Selection:
    """The entries that a query means."""
    wanted = QuarantineFilter(
        kind=kind, column=column, reason=reason, request_id=request_id, since=since, until=until
    )
    return selection(caller, pipeline, wanted, state=state)


Chosen = Annotated[Selection, Depends(chosen)]


@router.get("/quarantine", summary="What broke its contract, newest first.", responses=problems())
@needs(rights.READ_QUARANTINE, subject="quarantine", pipeline="pipeline")
def read_quarantine(
    caller: Calling, parts: Parts, wanted: Chosen, before: Before = None, limit: Limit = 100
) -> list[Quarantined]:
    """Entries with the reason and the row; unresolved ones unless the query says otherwise."""
    return list(parts.quarantine.page(caller, wanted, before=before, limit=limit))


@router.get("/quarantine/counts", summary="Entries by reason.", responses=problems())
@needs(rights.READ_QUARANTINE, subject="quarantine", pipeline="pipeline")
def count_quarantine(caller: Calling, parts: Parts, wanted: Chosen) -> list[QuarantineCount]:
    """The most frequent reasons first, 200 at most. Values are left out of them."""
    return list(parts.quarantine.counts(caller, wanted))


@router.get("/quarantine/{entry:int}", summary="One entry.", responses=problems(404))
@needs(rights.READ_QUARANTINE, subject="quarantine")
def read_entry(entry: EntryNumber, caller: Calling, parts: Parts) -> Quarantined:
    """In any state."""
    return parts.quarantine.entry(caller, entry)


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


@router.post(
    "/quarantine/{entry:int}/correct",
    status_code=202,
    summary="Correct fields of a quarantined row.",
    responses=problems(404, 422),
)
@needs(rights.CORRECT, subject="quarantine")
def correct(entry: EntryNumber, body: CorrectRequest, caller: Calling, parts: Parts) -> Corrected:
    """The raw request stays as it came; etl makes the row anew, with these fields, within seconds.

    Refused where the row would break its contract all the same.
    """
    return parts.corrections.correct(caller, entry, body)


@router.post(
    "/quarantine/drop", summary="Give entries of the quarantine up.", responses=problems(422)
)
@needs(rights.DROP, subject="quarantine")
def drop(body: DropRequest, caller: Calling, parts: Parts) -> Dropped:
    """They stay with who and why, count as dropped in the balance, and are not tried again."""
    return parts.quarantine.drop(caller, body)
