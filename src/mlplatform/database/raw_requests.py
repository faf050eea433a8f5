"""Raw requests, read: by etl in the order in which they were stored, by the data API by id.

Within a (topic, partition) rows commit in the order of `log_offset`: their writer holds the row of
raw.offsets until it commits. So a statement that sees one offset sees every lower one, and going on
behind the last offset that was read skips nothing, however late a transaction commits. Where that
did not hold (offsets were set back by hand), raw.setbacks says so, and etl goes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from mlplatform.database import progress, queries
from mlplatform.database.progress import Cursor
from mlplatform.database.sessions import Connection

SQL = queries.load("raw_requests")
MOST_WAITING = 10_000
"""Requests that are counted per partition: what matters is whether any waits, not whether a backlog
has thousands or millions."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request as it was stored.

    `inputs` is the text of a JSON object, name -> list of `rows` values; `corrections` (row ->
    field -> value) are not part of what is stored (database/corrections.py). `forgotten` are rows
    whose values were removed, `forgotten_in` for each of them the number of the ledger's entry.
    """

    request_id: str
    source: str
    topic: str
    partition: int
    log_offset: int
    received_at: datetime
    rows: int
    inputs: str
    corrections: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    forgotten: Sequence[int] = ()
    forgotten_in: Sequence[int] = ()


@dataclass(frozen=True)
class Owner:
    """The pipeline that a request belongs to, and how many rows it has."""

    pipeline: str
    rows: int


def partitions(raw: Connection) -> dict[tuple[str, int], int]:
    """Every (topic, partition) that ever held something -> entries in raw.setbacks."""
    found = raw.execute(SQL["partitions"]).fetchall()
    return {(topic, partition): setbacks for topic, partition, setbacks in found}


def lowest_since(raw: Connection, cursor: Cursor) -> int | None:
    """Where rows were stored below others, of which the cursor doesn't know; None for nowhere."""
    values = {
        "topic": cursor.topic,
        "partition": cursor.partition,
        "setbacks": cursor.setbacks,
    }
    row = raw.execute(SQL["lowest_since"], values).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def waiting(raw: Connection, cursors: Sequence[Cursor]) -> list[Cursor]:
    """Those cursors that have requests to read."""
    values = {"pipelines": [cursor.pipeline for cursor in cursors], **progress.positions(cursors)}
    return [cursors[number - 1] for (number,) in raw.execute(SQL["waiting"], values).fetchall()]


def count_waiting(
    raw: Connection, pipeline: str, passed: Sequence[Cursor], *, stored_before: datetime | None
) -> int:
    """Requests that etl has not passed, of those stored at or before `stored_before` (None: all).

    At most MOST_WAITING a partition.
    """
    values = {
        "pipeline": pipeline,
        **progress.positions(passed),
        "stored_before": stored_before,
        "most": MOST_WAITING,
    }
    row = raw.execute(SQL["count_waiting"], values).fetchone()
    assert row is not None
    return int(row[0])


def read(
    raw: Connection, cursor: Cursor, *, next_offset: int, requests: int, rows: int
) -> list[RawRequest]:
    """The next requests from `next_offset` on, in order.

    At most `requests`, and at most `rows` rows unless the first request alone has more.
    """
    values = {
        "pipeline": cursor.pipeline,
        "topic": cursor.topic,
        "partition": cursor.partition,
        "next": next_offset,
        "requests": requests,
        "rows": rows,
    }
    with raw.cursor(row_factory=class_row(RawRequest)) as found:
        return found.execute(SQL["read"], values).fetchall()


def by_id(raw: Connection, ids: Sequence[str]) -> list[RawRequest]:
    """These requests, as far as they are still there."""
    with raw.cursor(row_factory=class_row(RawRequest)) as found:
        return found.execute(SQL["by_id"], {"ids": list(ids)}).fetchall()


def latest(raw: Connection, pipeline: str, *, most: int) -> list[str]:
    """Inputs (JSON, column -> list) of the requests of a pipeline that were stored last."""
    rows = raw.execute(SQL["latest"], {"pipeline": pipeline, "most": most}).fetchall()
    return [str(inputs) for (inputs,) in rows]


def forgotten(raw: Connection, ids: Sequence[str]) -> set[tuple[str, int]]:
    """(request_id, row) of rows of these requests whose values were removed."""
    return set(raw.execute(SQL["forgotten"], {"ids": list(ids)}).fetchall())


def owners(raw: Connection, ids: Sequence[str]) -> Mapping[str, Owner]:
    """Pipeline and rows of those of these requests that are stored already."""
    rows = raw.execute(SQL["owners"], {"ids": list(ids)}).fetchall()
    return {str(request_id): Owner(pipeline, count) for request_id, pipeline, count in rows}
