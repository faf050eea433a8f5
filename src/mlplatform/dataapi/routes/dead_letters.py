"""Dead letters, and what people decide about them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime

from mlplatform.contracts.dead_letters import (
    DropLetters,
    LetterCount,
    LetterFilter,
    LetterKind,
    LettersDropped,
    LettersRedriven,
    ListedLetter,
    RedriveLetters,
    ShownLetter,
)
from mlplatform.contracts.quarantine import StateFilter
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
from mlplatform.dataapi.routes.quarantine import Before, EntryNumber, Reason
from mlplatform.database.dead_letters import LetterSelection

router = APIRouter(
    prefix="/v1", tags=["dead letters"], dependencies=BEARER, route_class=GuardedRoute
)


def chosen(
    *,
    pipeline: PipelineFilter = None,
    state: StateFilter = "open",
    kind: LetterKind | None = None,
    outbox_id: UUID | None = None,
    request_id: UUID | None = None,
    reason: Reason = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> LetterSelection:
    """The letters that a query means."""
    wanted = LetterFilter(
        kind=kind,
        pipeline=pipeline,
        outbox_id=outbox_id,
        request_id=request_id,
        reason=reason,
        since=since,
        until=until,
    )
    return LetterSelection(wanted, state)


Chosen = Annotated[LetterSelection, Depends(chosen)]


@router.get("/deadletters", summary="Records that could not be stored.", responses=problems())
@needs(rights.READ_LETTERS, subject="deadletters")
def read_letters(
    caller: Calling, parts: Parts, wanted: Chosen, before: Before = None, limit: Limit = 100
) -> list[ListedLetter]:
    """Newest first, without their payloads; open ones unless the query says otherwise."""
    return list(parts.dead_letters.page(caller, wanted, before=before, limit=limit))


@router.get("/deadletters/counts", summary="Dead letters by reason.", responses=problems())
@needs(rights.READ_LETTERS, subject="deadletters")
def count_letters(caller: Calling, parts: Parts, wanted: Chosen) -> list[LetterCount]:
    """The most frequent reasons first, 200 at most. Values are left out of them."""
    return list(parts.dead_letters.counts(caller, wanted))


@router.get("/deadletters/{letter:int}", summary="One dead letter.", responses=problems(404))
@needs(rights.READ_LETTERS, subject="deadletters")
def read_letter(letter: EntryNumber, caller: Calling, parts: Parts) -> ShownLetter:
    """In any state, with its payload."""
    return parts.dead_letters.letter(caller, letter)


@router.post("/deadletters/redrive", summary="Try dead letters again.", responses=problems(422))
@needs(rights.REDRIVE_LETTERS, subject="deadletters")
def redrive_letters(body: RedriveLetters, caller: Calling, parts: Parts) -> LettersRedriven:
    """Those that can be read now are rows when it answers; the others stay, with the newest reason.

    `payload` sends a corrected record in place of one letter's own.
    """
    return parts.dead_letters.redrive(caller, body)


@router.post("/deadletters/drop", summary="Give dead letters up.", responses=problems(422))
@needs(rights.DROP_LETTERS, subject="deadletters")
def drop_letters(body: DropLetters, caller: Calling, parts: Parts) -> LettersDropped:
    """They stay with who and why, and still count as dead letters in the balance."""
    return parts.dead_letters.drop(caller, body)
