"""Dead letters: records of the queue that can't become rows, each with the reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.contracts.quarantine import (
    MOST_IDS,
    WHY,
    EntryId,
    QuarantineState,
    Skipped,
)

LetterKind = Literal["unreadable", "oversize", "refused"]
"""Not a record of ours; the notice of one that was too large for the queue; refused by the
database."""


class ListedLetter(FrozenAnswer):
    """A dead letter without its payload. What its record does not show is None."""

    id: int
    kind: LetterKind
    pipeline: str | None
    outbox_id: UUID | None
    sequence: int | None
    request_id: UUID | None
    reason: str
    size: int = Field(description="Bytes of the payload.")
    topic: str
    partition: int
    log_offset: int
    at: datetime
    tried_at: datetime | None = Field(
        default=None, description="When it was last tried again, and could not become a row."
    )
    state: QuarantineState = "open"
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolved_why: str | None = None
    dropped_at: datetime | None = None
    dropped_by: str | None = None
    dropped_why: str | None = None


class ShownLetter(ListedLetter):
    """A dead letter with its payload: text, or base64 where it is not UTF-8."""

    payload: str
    encoding: Literal["utf-8", "base64"]


class LetterFilter(Frozen):
    """Which dead letters are meant; what is left out does not restrict."""

    kind: LetterKind | None = None
    pipeline: Annotated[str, StringConstraints(pattern=PIPELINE_NAME)] | None = None
    outbox_id: UUID | None = None
    request_id: UUID | None = None
    reason: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Text that the reason holds, in any case; … stands for anything.",
    )
    since: AwareDatetime | None = Field(default=None, description="Stored then or later.")
    until: AwareDatetime | None = Field(default=None, description="Stored before then.")

    @property
    def empty(self) -> bool:
        """Whether it restricts nothing."""
        return not any(getattr(self, name) for name in LetterFilter.model_fields)


class LetterCount(FrozenAnswer):
    """Dead letters with the same reason, values left out."""

    kind: LetterKind
    pipeline: str | None
    reason: str
    letters: int
    newest: datetime
    newest_id: int


class _LetterDecision(LetterFilter):
    """Letters that a person decides about: those named by id, or all that the filter matches."""

    ids: list[EntryId] | None = Field(default=None, max_length=MOST_IDS)
    dry_run: bool = Field(default=False, description="Only count what would be changed.")


class RedriveLetters(_LetterDecision):
    """Which dead letters to try again."""

    why: Annotated[str, WHY] = ""
    payload: str | None = Field(
        default=None,
        min_length=1,
        description="A corrected record for the one letter that is named. The letter's numbers and "
        "its request id must be the same.",
    )


class DropLetters(_LetterDecision):
    """Which dead letters to give up for good, and why."""

    why: Annotated[str, WHY, Field(min_length=1)]


class LettersRedriven(FrozenAnswer):
    """Letters that are rows now.

    `still_dead` counts those that were tried and are not; `skipped` says why, of the first ones,
    and which named letters were not even tried.
    """

    redriven: int
    still_dead: int
    skipped: list[Skipped]


class LettersDropped(FrozenAnswer):
    """Letters that were given up, and named ones that were not."""

    dropped: int
    skipped: list[Skipped]
