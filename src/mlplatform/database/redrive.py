"""Rows of the quarantine that a person asked to have tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlplatform.database import queries
from mlplatform.database.pools import Connection
from mlplatform.database.raw_requests import Cursor

SQL = queries.load("featuring")


def asked(connection: Connection) -> set[tuple[str, str]]:
    """(pipeline, digest) with rows that were asked for."""
    return {
        (pipeline, digest) for pipeline, digest in connection.execute(SQL["any_redrive"]).fetchall()
    }


def claim(
    connection: Connection, pipeline: str, digest: str, *, limit: int
) -> list[tuple[str, int]]:
    """(request_id, row) of some of them, taken until the transaction ends."""
    rows = connection.execute(
        SQL["redrives"], {"pipeline": pipeline, "digest": digest, "limit": limit}
    ).fetchall()
    return [(request_id, row) for _, request_id, row in rows]


def resolve(
    connection: Connection, pipeline: str, digest: str, good: Sequence[tuple[str, int]]
) -> None:
    """These rows are feature rows now."""
    values = {
        "pipeline": pipeline,
        "digest": digest,
        "ids": [item[0] for item in good],
        "rows": [item[1] for item in good],
    }
    connection.execute(SQL["resolve"], values)


def give_up(
    connection: Connection, pipeline: str, digest: str, rows: Sequence[tuple[str, int]], reason: str
) -> None:
    """These rows can't even be tried; what is known of them stays."""
    values = {
        "pipeline": pipeline,
        "digest": digest,
        "ids": [item[0] for item in rows],
        "rows": [item[1] for item in rows],
        "reason": reason,
    }
    connection.execute(SQL["give_up"], values)


def recount(
    connection: Connection, pipeline: str, digest: str, roads: Sequence[tuple[str, int]]
) -> None:
    """Count a row for each of these (topic, partition) as featured, no more as quarantined.

    Locks their places: before the mark is taken, which the holder of a place may be waiting for;
    sorted, for the same reason.
    """
    for (topic, partition), rows in sorted(Counter(roads).items()):
        place = Cursor(pipeline, digest, topic, partition, 0)
        values = {
            "pipeline": place.pipeline,
            "digest": place.digest,
            "topic": place.topic,
            "partition": place.partition,
            "rows": rows,
        }
        connection.execute(SQL["recount"], values)
