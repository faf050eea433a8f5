"""The raw side of etl: requests in the order in which they were stored.

Within a (topic, partition) rows commit in the order of `log_offset`: their writer holds the row of
raw.offsets until it commits. So a statement that sees one offset sees every lower one, and going on
behind the last offset that was read skips nothing, however late a transaction commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from mlplatform.database import queries
from mlplatform.database.pools import Connection

SQL = queries.load("featuring")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a digest goes on reading in one partition."""

    pipeline: str
    digest: str
    topic: str
    partition: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request as it was stored.

    `inputs` is the text of a JSON object, name -> list of `rows` values.
    """

    request_id: str
    source: str
    topic: str
    partition: int
    log_offset: int
    received_at: datetime
    rows: int
    inputs: str


def partitions(raw: Connection) -> list[tuple[str, int]]:
    """Every (topic, partition) that ever held something."""
    return [(topic, partition) for topic, partition in raw.execute(SQL["roads"]).fetchall()]


def waiting(raw: Connection, places: Sequence[Cursor]) -> list[Cursor]:
    """Those places that have requests behind them."""
    values = {
        "pipelines": [place.pipeline for place in places],
        "topics": [place.topic for place in places],
        "partitions": [place.partition for place in places],
        "nexts": [place.next_offset for place in places],
    }
    return [places[number - 1] for (number,) in raw.execute(SQL["waiting"], values).fetchall()]


def read(
    raw: Connection, place: Cursor, *, next_offset: int, requests: int, rows: int
) -> list[RawRequest]:
    """The next requests from `next_offset` on, in order: at most `requests`, and `rows` rows unless the first one alone has more."""
    with raw.cursor(row_factory=class_row(RawRequest)) as cursor:
        values = {
            "pipeline": place.pipeline,
            "topic": place.topic,
            "partition": place.partition,
            "next": next_offset,
            "requests": requests,
            "rows": rows,
        }
        return cursor.execute(SQL["read"], values).fetchall()


def by_id(raw: Connection, ids: Sequence[str]) -> list[RawRequest]:
    """These requests, as far as they are still there."""
    with raw.cursor(row_factory=class_row(RawRequest)) as cursor:
        return cursor.execute(SQL["by_id"], {"ids": list(ids)}).fetchall()
