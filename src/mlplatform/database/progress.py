"""etl's progress: per features digest, raw server and partition, the offset to continue at.

A batch of etl is one warehouse transaction: `claim` a cursor, write what came of its requests,
`advance`. So it happens wholly or not at all, and whoever claims the cursor next continues
where the last commit left it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from mlplatform.contracts.shards import FIRST
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("progress")


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a digest is in one partition of a raw server: the next offset, and rows so far."""

    pipeline: str
    digest: str
    topic: str
    partition: int
    next_offset: int = 0
    featured: int = 0
    quarantined: int = 0
    setbacks: int = 0  # entries of raw.setbacks that it was set back for
    shard: str = FIRST


def all_cursors(connection: Connection) -> list[Cursor]:
    """How far every digest is."""
    return _cursors(connection, "all")


def of_digest(connection: Connection, pipeline: str, digest: str) -> list[Cursor]:
    """How far a digest is; partitions that it has not begun are missing."""
    return _cursors(connection, "of_digest", pipeline=pipeline, digest=digest)


def of_current_digests(connection: Connection, pipeline: str | None) -> list[Cursor]:
    """How far the current digests are, of one pipeline or (None) of all."""
    return _cursors(connection, "of_current_digests", pipeline=pipeline)


def begin(connection: Connection, new: Sequence[Cursor]) -> None:
    """Begin these partitions at 0; those that have begun stay."""
    values = {
        "pipelines": [cursor.pipeline for cursor in new],
        "digests": [cursor.digest for cursor in new],
        "topics": [cursor.topic for cursor in new],
        "partitions": [cursor.partition for cursor in new],
        "shards": [cursor.shard for cursor in new],
    }
    connection.execute(SQL["begin"], values)


def claim(connection: Connection, cursor: Cursor) -> int | None:
    """Hold a cursor until the transaction ends; None when another etl has it, else its offset."""
    row = connection.execute(SQL["claim"], _key(cursor)).fetchone()
    return None if row is None else int(row[0])


def advance(
    connection: Connection, cursor: Cursor, *, next_offset: int, featured: int, quarantined: int
) -> None:
    """Move a claimed cursor on and add to its counts."""
    moved = {"next_offset": next_offset, "featured": featured, "quarantined": quarantined}
    connection.execute(SQL["advance"], {**_key(cursor), **moved})


def set_back(connection: Connection, cursor: Cursor, *, lowest: int, seen: int) -> None:
    """Read from `lowest` again, since rows were stored there: entries of raw.setbacks up to `seen`.

    Rows that are read again are counted again in `featured` and `quarantined`.
    """
    connection.execute(SQL["set_back"], {**_key(cursor), "lowest": lowest, "seen": seen})


def recount(
    connection: Connection, pipeline: str, digest: str, places: Sequence[tuple[str, str, int]]
) -> None:
    """Count a row for each (shard, topic, partition) as featured, no longer as quarantined.

    Locks their cursors: before the mark is taken, which the holder of a cursor may be waiting for;
    sorted, for the same reason.
    """
    for (shard, topic, partition), rows in sorted(Counter(places).items()):
        cursor = Cursor(pipeline, digest, topic, partition, shard=shard)
        connection.execute(SQL["recount"], {**_key(cursor), "rows": rows})


def restart_imports(connection: Connection, pipeline: str, digest: str) -> None:
    """Let etl read the imports again under this digest; rows that it has written stay."""
    connection.execute(SQL["restart_imports"], {"pipeline": pipeline, "digest": digest})


def positions(cursors: Sequence[Cursor]) -> dict[str, list[str] | list[int]]:
    """Cursors as the lists `topics`, `partitions` and `nexts` that statements unnest."""
    return {
        "topics": [cursor.topic for cursor in cursors],
        "partitions": [cursor.partition for cursor in cursors],
        "nexts": [cursor.next_offset for cursor in cursors],
    }


def _cursors(connection: Connection, query: str, **values: Any) -> list[Cursor]:
    with connection.cursor(row_factory=class_row(Cursor)) as found:
        return found.execute(SQL[query], values).fetchall()


def _key(cursor: Cursor) -> dict[str, Any]:
    return {
        "pipeline": cursor.pipeline,
        "digest": cursor.digest,
        "topic": cursor.topic,
        "partition": cursor.partition,
        "shard": cursor.shard,
    }
