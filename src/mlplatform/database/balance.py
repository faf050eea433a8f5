"""Counts for the balance, all of them of real rows.

No counter of a process that can die is a source. Both databases are counted on standbys, the
warehouse in one snapshot and the raw database in a later one: etl's cursor is then one that it had,
and the rows below it can't change any more, so the balance is exact under traffic too. The standby
of the raw database may be another server and further behind, so the reads check that it holds all
that etl had passed. What a proof has counted of them need not be counted again (`kept_balance`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from mlplatform.contracts.balance import RequestsBalance
from mlplatform.database import feature_rows, feature_sets, progress, quarantine, queries
from mlplatform.database.kept_balance import NOTHING, KeptFeatures, KeptRaw
from mlplatform.database.pools import StandbyRead
from mlplatform.database.progress import Cursor
from mlplatform.database.sessions import Connection

SQL = queries.load("balance")
MOST_GAPS = 1_000
"""Ranges that are listed per outbox.

One is enough for an alarm; the list must not grow without bound.
"""


@dataclass(frozen=True)
class OutboxCount:
    """One outbox.

    `accepted` is the highest number known from anywhere, `highest` the highest that was stored or
    dead-lettered. `numbers` are the different ones up to it that this server has: where there is
    no other server, as many as it says, or some are missing.
    """

    outbox_id: str
    host: str
    accepted: int
    acknowledged: int
    closed: bool
    versions: dict[str, str]
    seen_at: datetime | None
    stored: int
    dead_lettered: int
    highest: int
    damaged: list[dict[str, Any]] = field(default_factory=list)
    copies: int = 0
    given_up: int = 0  # up to here the queue had acknowledged when it was reset
    removed: int = 0  # of those stored or dead-lettered, what retention has removed
    numbers: int = 0
    repeated: bool = False  # two rows or more have the same number


@dataclass(frozen=True)
class Gap:
    """Numbers that are missing below a stored one; `since` is when that one was stored."""

    outbox_id: str
    first: int
    last: int
    since: datetime


@dataclass(frozen=True)
class Doubles:
    """Numbers that two or more requests have."""

    outbox_id: str
    first: int
    last: int


@dataclass(frozen=True)
class CurrentSet:
    """The current digest of a pipeline.

    `removed`: its feature rows and unresolved entries of the quarantine that retention removed.
    """

    pipeline: str
    digest: str
    made_at: datetime
    removed: int


@dataclass(frozen=True)
class Warehouse:
    """What the warehouse holds of one pipeline, under its current digest."""

    pipeline: str
    featured: int
    quarantined: int
    dropped: int = 0
    forgotten: int = 0
    removed: int = 0


@dataclass(frozen=True)
class RawRows:
    """Raw rows of one pipeline, and how many of them etl has passed.

    `removed`: those that etl had passed before retention removed them; they are in neither.
    """

    pipeline: str
    rows: int
    passed: int
    removed: int = 0


def outboxes(raw: Connection, kept: KeptRaw = NOTHING) -> Sequence[OutboxCount]:
    """All outboxes that ever sent a report or a record, latest report first."""
    with raw.cursor(row_factory=class_row(OutboxCount)) as cursor:
        return cursor.execute(SQL["outboxes"], kept.outbox_values).fetchall()


def gaps(
    raw: Connection, found: Sequence[OutboxCount], known: Mapping[str, int] | None = None
) -> Sequence[Gap]:
    """Missing numbers below the highest stored one, per outbox, at most MOST_GAPS ranges each.

    Only of outboxes that have fewer numbers than that are all of them looked at, above what is
    `known` to be whole; below that too where the gaps found don't make up for the numbers missing.
    """
    above = {
        each.outbox_id: (known or {}).get(each.outbox_id, 0)
        for each in found
        if each.numbers < each.highest
    }
    ranges = _gaps(raw, above)
    missing = Counter(dict.fromkeys(above, 0))
    for gap in ranges:
        missing[gap.outbox_id] += gap.last - gap.first + 1
    counts = {each.outbox_id: each.highest - each.numbers for each in found}
    again = [box for box, start in above.items() if start and missing[box] != counts[box]]
    return [
        *(gap for gap in ranges if gap.outbox_id not in again),
        *_gaps(raw, dict.fromkeys(again, 0)),
    ]


def _gaps(raw: Connection, above: Mapping[str, int]) -> Sequence[Gap]:
    if not above:
        return []
    values = {"outboxes": list(above), "above": list(above.values()), "most": MOST_GAPS}
    with raw.cursor(row_factory=class_row(Gap)) as cursor:
        return cursor.execute(SQL["gaps"], values).fetchall()


def doubles(raw: Connection, found: Sequence[OutboxCount]) -> Sequence[Doubles]:
    """Numbers that were used twice, per outbox, at most MOST_GAPS ranges each.

    `found` are the outboxes of this server.
    """
    repeated = [each.outbox_id for each in found if each.repeated]
    values = {"outboxes": repeated, "most": MOST_GAPS}
    with raw.cursor(row_factory=class_row(Doubles)) as cursor:
        return cursor.execute(SQL["doubles"], values).fetchall()


def totals(raw: Connection, found: Sequence[OutboxCount]) -> RequestsBalance:
    """What is stored and dead-lettered over all outboxes of this server; `found` are these."""
    row = raw.execute(SQL["loose_letters"]).fetchone()
    assert row is not None
    return RequestsBalance(
        stored=sum(each.stored for each in found),
        dead_lettered=sum(each.dead_lettered for each in found) + int(row[0]),
    )


def warehouse(
    read: StandbyRead, pipeline: str | None, kept: Mapping[str, KeptFeatures] | None = None
) -> tuple[list[Warehouse], list[Cursor], list[CurrentSet]]:
    """Rows of the applied pipelines, etl's cursors and the current digests, of one moment."""
    connection = read.connection
    with connection.cursor(row_factory=class_row(CurrentSet)) as cursor:
        sets = cursor.execute(SQL["current_sets"], {"pipeline": pipeline}).fetchall()
    removed = {each.pipeline: each.removed for each in sets}
    counts = [
        Warehouse(
            name,
            0 if table is None else feature_rows.count(connection, table, (kept or {}).get(table)),
            *quarantine.count_unresolved(connection, name, digest),
            removed.get(name, 0),
        )
        for name, digest, table in feature_sets.current_tables(connection, pipeline)
    ]
    return counts, progress.of_current_digests(connection, pipeline), sets


def raw_rows(
    raw: Connection,
    pipeline: str | None,
    passed: Sequence[Cursor],
    sets: Sequence[CurrentSet] = (),
    kept: KeptRaw = NOTHING,
) -> Sequence[RawRows]:
    """Raw rows per pipeline; `passed` are etl's cursors, `sets` the digests, read before."""
    values = {
        **kept.row_values,
        "pipeline": pipeline,
        "pipelines": [cursor.pipeline for cursor in passed],
        **progress.positions(passed),
    }
    with raw.cursor(row_factory=class_row(RawRows)) as cursor:
        found = cursor.execute(SQL["raw_rows"], values).fetchall()
    counts = {item.pipeline: (int(item.rows), int(item.passed)) for item in found}
    removed = _removed_rows(raw, sets)
    return [
        RawRows(name, *counts.get(name, (0, 0)), removed.get(name, 0))
        for name in sorted(counts.keys() | removed.keys())
    ]


def _removed_rows(raw: Connection, sets: Sequence[CurrentSet]) -> dict[str, int]:
    values = {
        "pipelines": [each.pipeline for each in sets],
        "digests": [each.digest for each in sets],
        "made_at": [each.made_at for each in sets],
    }
    return dict(raw.execute(SQL["removed_requests"], values).fetchall())


def beyond(raw: Connection, passed: Sequence[Cursor]) -> int:
    """How many of etl's cursors lie beyond what this server has stored."""
    row = raw.execute(SQL["beyond"], progress.positions(passed)).fetchone()
    assert row is not None
    return int(row[0])
