"""Counts for the balance, all of them of real rows: no counter of a process that can die is a source.

Both databases are counted on standbys, the warehouse in one snapshot and the raw database in a
later one: etl's place is then one that it had, and the rows below it can't change any more, so the
balance is exact under traffic too. The standby of the raw database may be another server and
further behind, so it is asked whether it holds all that etl had passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row, dict_row

from mlplatform.contracts.balance import RequestsBalance
from mlplatform.database import queries
from mlplatform.database.pools import StandbyRead
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
    dead-lettered.
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


@dataclass(frozen=True)
class Gap:
    """Numbers that are missing below a stored one; `since` is when that one was stored."""

    outbox_id: str
    first: int
    last: int
    since: datetime


@dataclass(frozen=True)
class Warehouse:
    """What the warehouse holds of one pipeline, under its current digest."""

    pipeline: str
    featured: int
    quarantined: int


@dataclass(frozen=True)
class Passed:
    """etl's place in one partition of one pipeline."""

    pipeline: str
    topic: str
    partition: int
    next_offset: int


@dataclass(frozen=True)
class RawRows:
    """Raw rows of one pipeline, and how many of them etl has passed."""

    pipeline: str
    rows: int
    passed: int


def outboxes(raw: Connection) -> Sequence[OutboxCount]:
    """All outboxes that were ever heard of or seen in a row, latest heartbeat first."""
    with raw.cursor(row_factory=class_row(OutboxCount)) as cursor:
        return cursor.execute(SQL["outboxes"]).fetchall()


def gaps(raw: Connection) -> Sequence[Gap]:
    """Missing numbers below the highest stored one, per outbox, at most MOST_GAPS ranges each."""
    with raw.cursor(row_factory=class_row(Gap)) as cursor:
        return cursor.execute(SQL["gaps"], {"most": MOST_GAPS}).fetchall()


def totals(raw: Connection) -> RequestsBalance:
    """What is stored and dead-lettered over all outboxes."""
    with raw.cursor(row_factory=class_row(RequestsBalance)) as cursor:
        row = cursor.execute(SQL["totals"]).fetchone()
    assert row is not None
    return row


def warehouse(read: StandbyRead, pipeline: str | None) -> tuple[list[Warehouse], list[Passed]]:
    """Rows of the applied pipelines and etl's places, of one moment."""
    connection, which = read.connection, {"pipeline": pipeline}
    with connection.cursor(row_factory=dict_row) as cursor:
        tables = cursor.execute(SQL["feature_tables"], which).fetchall()
    counts = [
        Warehouse(
            table["pipeline"],
            _featured(connection, table["table_name"]),
            _quarantined(connection, table),
        )
        for table in tables
    ]
    with connection.cursor(row_factory=class_row(Passed)) as places:
        return counts, places.execute(SQL["passed"], which).fetchall()


def raw_rows(raw: Connection, pipeline: str | None, passed: Sequence[Passed]) -> Sequence[RawRows]:
    """Raw rows per pipeline; `passed` is etl's place, read before."""
    values = {
        "pipeline": pipeline,
        "pipelines": [place.pipeline for place in passed],
        **_lists(passed),
    }
    with raw.cursor(row_factory=class_row(RawRows)) as cursor:
        found = cursor.execute(SQL["raw_rows"], values).fetchall()
    return [RawRows(item.pipeline, int(item.rows), int(item.passed)) for item in found]


def beyond(raw: Connection, passed: Sequence[Passed]) -> int:
    """How many of etl's places lie beyond what this server has stored."""
    row = raw.execute(SQL["beyond"], _lists(passed)).fetchone()
    assert row is not None
    return int(row[0])


def _lists(passed: Sequence[Passed]) -> dict[str, Any]:
    return {
        "topics": [place.topic for place in passed],
        "partitions": [place.partition for place in passed],
        "nexts": [place.next_offset for place in passed],
    }


def _featured(connection: Connection, table: str | None) -> int:
    if table is None:
        return 0
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("features", table))
    ).fetchone()
    assert row is not None
    return int(row[0])


def _quarantined(connection: Connection, table: dict[str, Any]) -> int:
    row = connection.execute(
        SQL["quarantined"], {"pipeline": table["pipeline"], "digest": table["digest"]}
    ).fetchone()
    assert row is not None
    return int(row[0])
