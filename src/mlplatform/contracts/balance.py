"""The balance: what was accepted, and what became of it. Every number is counted from real rows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from mlplatform.contracts.frozen import FrozenAnswer
from mlplatform.contracts.outbox_report import DamagedRange


class OutboxBalance(FrozenAnswer):
    """Balance of one outbox: accepted + surplus = stored + dead_lettered + missing + in_flight."""

    outbox_id: str
    host: str
    accepted: int
    acknowledged: int
    stored: int
    dead_lettered: int
    in_flight: int = Field(
        description="Numbers above the highest one stored: in the outbox or the queue, "
        "or waiting to be stored."
    )
    missing: list[tuple[int, int]] = Field(
        description="Ranges that are neither stored nor dead letters, though higher ones are; "
        "and what an outbox that fell silent still held."
    )
    used_twice: list[tuple[int, int]] = Field(
        default_factory=list,
        description="Ranges of numbers that two or more requests have: an older copy of the outbox "
        "went on numbering. What one of them lost can't be seen by its number.",
    )
    surplus: int = Field(default=0, description="Records above one for each number. Must be 0.")
    damaged: list[DamagedRange] = Field(
        default_factory=list, description="Which of the missing ones the outbox's disk damaged."
    )
    copies: int = Field(
        default=0,
        description="How often an older or second copy of this outbox spoke, and was told to take "
        "a new identity.",
    )
    removed: int = Field(
        default=0,
        description="Of the stored ones and the dead letters, what retention has removed.",
    )
    oldest_gap_s: float = Field(
        description="How long the longest-standing gap is there: one that stays is a loss."
    )
    versions: dict[str, str]
    closed: bool
    seen_at: datetime | None

    @property
    def whole(self) -> bool:
        """Whether nothing is missing and no number was used twice."""
        above = self.stored + self.dead_lettered > self.accepted
        return not (self.missing or self.used_twice or self.surplus or above)


class RequestsBalance(FrozenAnswer):
    """Over all outboxes."""

    stored: int
    dead_lettered: int


class RowsBalance(FrozenAnswer):
    """Balance of one pipeline: raw and removed rows are the sum of all others.

    `unaccounted` is the rest and must be 0.
    """

    raw: int
    removed: int = Field(
        default=0,
        description="Rows whose requests retention removed after etl had passed them.",
    )
    results_removed: int = Field(
        default=0,
        description="Feature rows and quarantined rows that retention removed after that.",
    )
    featured: int
    quarantined: int
    dropped: int = Field(
        default=0, description="Quarantined rows that a person has given up, with a reason."
    )
    forgotten: int = Field(
        default=0, description="Rows that etl had passed, of persons who were forgotten."
    )
    waiting: int
    not_applicable: int = Field(description="Rows of a pipeline that was never applied.")
    unaccounted: int


class BalanceDifference(FrozenAnswer):
    """Rows that went, or came, behind the back of what was kept of an earlier proof."""

    of: str = Field(description="An outbox, or a pipeline.")
    what: Literal["records", "raw rows", "feature rows"]
    kept: int = Field(description="By what was kept, and what came since.")
    found: int = Field(description="By counting all.")
    numbers: list[tuple[int, int]] = Field(
        default_factory=list, description="Of an outbox: the numbers that were kept, and are gone."
    )


class BalanceSheet(FrozenAnswer):
    """Counted from real rows."""

    outboxes: list[OutboxBalance]
    requests: RequestsBalance
    rows: dict[str, RowsBalance]
    proven_at: datetime | None = Field(
        default=None,
        description="Rows that were there at this moment were counted then, and only what came "
        "since was counted now. The moment of this count where all rows were counted.",
    )
    differences: list[BalanceDifference] = Field(
        default_factory=list, description="What a proof has found; must be empty."
    )
