"""The stored offsets of the queue as the data API sees and resets them.

The consumer moves them (database/requests.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.queue_offsets import QueuePlace
from mlplatform.contracts.shards import FIRST
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("queue_offsets")


def places(raw: Connection, topic: str | None = None) -> Sequence[QueuePlace]:
    """What is stored, of one topic or (None) of all."""
    with raw.cursor(row_factory=class_row(QueuePlace)) as cursor:
        return cursor.execute(SQL["places"], {"topic": topic}).fetchall()


def refused(raw: Connection) -> Sequence[str]:
    """Why the consumer reads no further; nothing while it does."""
    return [why for (why,) in raw.execute(SQL["refused"]).fetchall()]


def resets(raw: Connection) -> int:
    """How often the queue was reset: outboxes then send again what they still hold."""
    row = raw.execute(SQL["resets"]).fetchone()
    assert row is not None
    return int(row[0])


def etl_places(warehouse: Connection, topic: str, *, shard: str = FIRST) -> Mapping[str, int]:
    """Partition -> the furthest place that etl has in it on a raw server."""
    values = {"topic": topic, "shard": shard}
    return dict(warehouse.execute(SQL["etl_places"], values).fetchall())


def reset(raw: Connection, topic: str, etl: Mapping[str, int]) -> None:
    """Give up the offsets of a topic.

    The consumer begins where the queue does, whichever queue it finds, and its rows lie above all
    stored ones and above etl's places.
    """
    raw.execute(SQL["reset"], {"topic": topic, "places": Jsonb(dict(etl))})
