"""Quarantine: rows, lines and labels that broke their contract, each with the reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.pipeline import PIPELINE_NAME

QuarantineKind = Literal["row", "import", "label"]
QuarantineState = Literal["open", "resolved", "dropped"]
StateFilter = Literal["open", "resolved", "dropped", "any"]
EntryId = Annotated[int, Field(ge=1, le=2**63 - 1)]
MOST_IDS = 10_000
"""Ids that one request names; more are chosen by a filter."""
MOST_FIELDS = 1_600
"""Fields of one correction: PostgreSQL has no wider tables."""
WHY = StringConstraints(strip_whitespace=True, max_length=1_000)


class Quarantined(FrozenAnswer):
    """Something that broke its contract. `digest` is empty for what the data API refused."""

    id: int
    pipeline: str
    digest: str | None
    request_id: UUID | None
    row: int | None
    column_name: str
    reason: str
    payload: Any
    at: datetime
    redrive_at: datetime | None
    kind: QuarantineKind = Field(
        default="row",
        description="A row that etl refused, or a record of an import or a label that the data "
        "API refused.",
    )
    state: QuarantineState = "open"
    resolved_at: datetime | None = None
    dropped_at: datetime | None = None
    dropped_by: str | None = None
    dropped_why: str | None = None
    corrected_at: datetime | None = Field(
        default=None, description="When the row was last corrected."
    )


class QuarantineFilter(Frozen):
    """Which entries are meant; what is left out does not restrict."""

    kind: QuarantineKind | None = None
    column: str | None = Field(default=None, max_length=200)
    reason: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Text that the reason holds, in any case; … stands for anything.",
        examples=["… is below 0"],
    )
    request_id: UUID | None = None
    since: AwareDatetime | None = Field(
        default=None, description="Of entries whose newest reason is from then or later."
    )
    until: AwareDatetime | None = Field(default=None, description="Before then.")

    @property
    def empty(self) -> bool:
        """Whether it restricts nothing."""
        return not any(getattr(self, name) for name in QuarantineFilter.model_fields)


class QuarantineCount(FrozenAnswer):
    """Entries with the same reason, values left out: `-5 is below 0` counts as `… is below 0`."""

    pipeline: str
    kind: QuarantineKind
    column_name: str
    reason: str
    entries: int
    newest: datetime
    newest_id: int


class _Decision(QuarantineFilter):
    """Entries that a person decides about: those named by id, or all that the filter matches."""

    pipeline: Annotated[str, StringConstraints(pattern=PIPELINE_NAME)] | None = Field(
        default=None,
        examples=["diabetes"],
        description="Needed without ids.",
    )
    ids: list[EntryId] | None = Field(default=None, max_length=MOST_IDS)
    dry_run: bool = Field(default=False, description="Only count what would be changed.")


class RedriveRequest(_Decision):
    """Which rows to try again; without ids and filter all of the pipeline."""

    why: Annotated[str, WHY] = ""


class DropRequest(_Decision):
    """Which entries to give up for good, and why."""

    why: Annotated[str, WHY, Field(min_length=1)]


class CorrectRequest(Frozen):
    """Fields of a quarantined row that are to be something else; the others stay as they came."""

    fields: dict[str, Any] = Field(
        default_factory=dict, max_length=MOST_FIELDS, description="Field -> JSON value."
    )
    texts: dict[str, str] = Field(
        default_factory=dict,
        max_length=MOST_FIELDS,
        description="Field -> text, read like the cell of a CSV file by the field's declared type.",
    )
    why: Annotated[str, WHY, Field(min_length=1)]


class Corrected(FrozenAnswer):
    """A row that etl will make anew, with all of its corrected fields."""

    pipeline: str
    request_id: UUID
    row: int
    fields: dict[str, Any]
    redriven: int = Field(
        description="Entries of the quarantine that are tried again: one for each features digest "
        "that refused the row."
    )


class Skipped(FrozenAnswer):
    """A named entry that is left as it is."""

    id: int
    reason: str


class Redriven(FrozenAnswer):
    """Rows that etl will try again, and named ones that it won't."""

    redriven: int
    skipped: list[Skipped]


class Dropped(FrozenAnswer):
    """Entries that were given up, and named ones that were not."""

    dropped: int
    skipped: list[Skipped]
