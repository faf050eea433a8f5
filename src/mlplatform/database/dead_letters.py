"""Dead letters as people see them, and what they decide about them.

A letter that can be read now becomes a row of the topic `redrive:<topic>`, which has positions of
its own: the queue's are the consumer's. Its row takes the letter's number in its outbox, so the
balance counts it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from mlplatform.contracts.dead_letters import (
    LetterCount,
    LetterFilter,
    LetterKind,
    ListedLetter,
)
from mlplatform.contracts.quarantine import StateFilter
from mlplatform.database import queries, queue_entries, requests
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.quarantine_entries import MOST_COUNTS, like
from mlplatform.database.request_row import RequestRow
from mlplatform.database.requests import DeadLetter
from mlplatform.database.sessions import Connection, one_line

PARTS = queries.load("dead_letters")
_INSIDE = {name: PARTS[name] for name in ("matching", "columns")}
SQL = {
    name: statement.format(**_INSIDE) for name, statement in PARTS.items() if name not in _INSIDE
}
Place = tuple[str, int]
"""(topic, partition) of redriven rows."""
Identity = tuple[UUID, UUID | None, int | None]
"""(request id, outbox, number) of a stored request."""
Raws = Mapping[str, PrimaryPool]
"""Raw servers by name."""


@dataclass(frozen=True)
class LetterSelection:
    """Dead letters; with `ids` only those that the filter means."""

    filter: LetterFilter
    state: StateFilter = "open"
    ids: Sequence[int] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What the statements take."""
        given = {name: getattr(self.filter, name) for name in LetterFilter.model_fields}
        return given | {
            "state": self.state,
            "ids": None if self.ids is None else list(self.ids),
            "reason": None if self.filter.reason is None else like(self.filter.reason),
        }


@dataclass(frozen=True, slots=True)
class ClaimedLetter:
    """A letter that this transaction holds."""

    id: int
    topic: str
    partition: int
    outbox_id: UUID | None
    sequence: int | None
    request_id: UUID | None
    payload: bytes

    @property
    def place(self) -> Place:
        """Where its row goes."""
        return f"redrive:{self.topic}", self.partition


@dataclass(frozen=True)
class TriedLetters:
    """What became of letters: the ids of rows, and id -> why it still is none.

    `elsewhere`: those of the rows that another server had already.
    """

    rows: Sequence[int]
    stuck: Mapping[int, str]
    elsewhere: Sequence[int]

    @property
    def last(self) -> int:
        """The highest id that was tried; 0 for none."""
        return max([*self.rows, *self.stuck], default=0)


def page(
    raw: Connection, selection: LetterSelection, *, before: int | None, limit: int
) -> list[ListedLetter]:
    """Letters, newest first, of those with ids below `before`."""
    values = {**selection.values, "before": before, "limit": limit}
    with raw.cursor(row_factory=class_row(ListedLetter)) as cursor:
        return cursor.execute(SQL["page"], values).fetchall()


def find(raw: Connection, number: int) -> tuple[ListedLetter, bytes] | None:
    """One letter and its payload."""
    with raw.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(SQL["find"], {"id": number}).fetchone()
    if found is None:
        return None
    payload = bytes(found.pop("payload"))
    return ListedLetter.model_validate(found), payload


def counts(raw: Connection, selection: LetterSelection) -> list[LetterCount]:
    """Letters by reason, the most frequent first."""
    with raw.cursor(row_factory=class_row(LetterCount)) as cursor:
        return cursor.execute(SQL["counts"], selection.values | {"limit": MOST_COUNTS}).fetchall()


def count(raw: Connection, selection: LetterSelection) -> int:
    """How many letters are selected."""
    row = raw.execute(SQL["count"], selection.values).fetchone()
    assert row is not None
    return int(row[0])


def redrive(
    raw: Connection,
    selection: LetterSelection,
    others: Raws,
    *,
    after: int,
    most: int,
    by: str,
    why: str,
    payload: bytes | None = None,
) -> TriedLetters:
    """Try some again: the first ones above the id `after`.

    `payload` stands in for that of the one letter that is selected. One that still can't become a
    row stays, with the newest reason; but where the payload is a person's, the letter keeps its
    own. What one of the `others` has gets no row here; raises Unavailable when one is away.
    """
    values = selection.values | {"after": after, "most": most}
    with raw.cursor(row_factory=class_row(ClaimedLetter)) as cursor:
        letters = cursor.execute(SQL["claim"], values).fetchall()
    tried = _try(raw, letters, payload, others)
    values = {"ids": tried.rows, "elsewhere": tried.elsewhere, "by": by, "why": why}
    raw.execute(SQL["resolve"], values)
    return tried


def _try(
    raw: Connection, letters: Sequence[ClaimedLetter], payload: bytes | None, others: Raws
) -> TriedLetters:
    nexts = _lock(raw, {letter.place for letter in letters})
    rows: list[int] = []
    stuck: dict[int, str] = {}
    elsewhere: list[int] = []
    for letter in letters:
        sent = letter.payload if payload is None else payload
        offset = nexts[letter.place]
        found = queue_entries.entry(sent, partition=letter.partition, offset=offset)
        there = _elsewhere(others, found)
        failure = _store(raw, letter, found, there)
        if failure is None:
            rows.append(letter.id)
            elsewhere += [letter.id] if there else []
            nexts[letter.place] = offset + 1
            continue
        kind, stuck[letter.id] = failure
        if payload is None:
            raw.execute(SQL["stay"], {"id": letter.id, "kind": kind, "reason": failure[1]})
    for (topic, partition), following in nexts.items():
        place = {"topic": topic, "partition": partition}
        raw.execute(SQL["move_partition"], {**place, "next": following})
    return TriedLetters(rows, stuck, elsewhere)


def drop(
    raw: Connection, selection: LetterSelection, *, after: int, most: int, by: str, why: str
) -> list[int]:
    """Give some up: the first ones above the id `after`. Returns which, sorted."""
    values = selection.values | {"after": after, "most": most, "by": by, "why": why}
    return sorted(int(row[0]) for row in raw.execute(SQL["drop"], values).fetchall())


def why_not(raw: Connection, ids: Sequence[int]) -> dict[int, str]:
    """Why named letters were left as they are."""
    with raw.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(SQL["why_not"], {"ids": list(ids)}).fetchall()
    known = {row["id"]: row for row in found}
    return {number: _reason(known.get(number)) for number in ids}


def _lock(raw: Connection, places: set[Place]) -> dict[Place, int]:
    """The next offset of each place, which is this transaction's until it ends."""
    wanted = {
        "topics": [topic for topic, _ in sorted(places)],
        "partitions": [partition for _, partition in sorted(places)],
    }
    raw.execute(SQL["begin_partitions"], wanted)
    found = raw.execute(SQL["lock_partitions"], wanted).fetchall()
    return {(topic, partition): following for topic, partition, following in found}


def _store(
    raw: Connection,
    letter: ClaimedLetter,
    found: RequestRow | DeadLetter,
    there: Sequence[Identity],
) -> tuple[LetterKind, str] | None:
    """Store the row, but for one that lies `there`; or say what keeps the letter from being one."""
    if isinstance(found, DeadLetter):
        return found.kind, found.reason
    other = _other_numbers(letter, found) or _taken(found, [*_stored(raw, found), *there])
    if other:
        return queue_entries.REFUSED, other
    if there:
        return None
    try:
        with raw.transaction():  # a savepoint: the letters before stay rows
            requests.insert_rows(raw, letter.place[0], [found])
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        return queue_entries.REFUSED, f"the database refuses a record: {one_line(error)}"
    return None


def _other_numbers(letter: ClaimedLetter, row: RequestRow) -> str | None:
    """What of a row is not its letter's."""
    for name in ("outbox_id", "sequence", "request_id"):
        known, sent = getattr(letter, name), getattr(row, name)
        if known is not None and known != sent:
            return f"the letter's {name} is {known}, not {sent}"
    return None


def _elsewhere(others: Raws, found: RequestRow | DeadLetter) -> list[Identity]:
    """What other servers have of a row's request id or number. Raises Unavailable."""
    there: list[Identity] = []
    if isinstance(found, DeadLetter):
        return there
    for pool in others.values():
        with pool.transaction() as raw:
            there += _stored(raw, found)
    return there


def _stored(raw: Connection, row: RequestRow) -> list[Identity]:
    """Stored requests that have a row's request id or number."""
    numbers = {name: getattr(row, name) for name in ("outbox_id", "sequence", "request_id")}
    return raw.execute(SQL["stored_as"], numbers).fetchall()


def _taken(row: RequestRow, stored: Sequence[Identity]) -> str | None:
    """Which stored request stands in its way; the same one, stored already, does not."""
    for request_id, outbox_id, sequence in stored:
        if (request_id, outbox_id, sequence) != (row.request_id, row.outbox_id, row.sequence):
            return f"request {request_id} is stored as number {sequence} of outbox {outbox_id}"
    return None


def _reason(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "no such dead letter"
    if row["resolved_at"] is not None:
        return f"it was made a row by '{row['resolved_by']}' on {row['resolved_at']:%Y-%m-%d %H:%M}"
    if row["dropped_at"] is not None:
        when = f"{row['dropped_at']:%Y-%m-%d %H:%M}"
        return f"it was dropped by '{row['dropped_by']}' on {when}: {row['dropped_why']}"
    return "the filter does not match it"
