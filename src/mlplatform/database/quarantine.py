"""Quarantine: rows, lines and labels that broke their contract, each with the reason.

The data API refuses what can't become a request or a label; etl keeps rows of requests that break
their pipeline's contract. Only the latter can be tried again: a person asks, and etl does it. What
people see and decide: database/quarantine_entries.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from mlplatform.database import queries
from mlplatform.database.printable import printable, printable_value
from mlplatform.database.sessions import Connection

SQL = queries.load("quarantine")


@dataclass(frozen=True)
class Refusal:
    """Something that the data API refused. `pipeline` is empty when it belongs to none."""

    pipeline: str
    reason: str
    payload: Mapping[str, Any]
    column: str = ""
    request_id: str | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that broke its contract.

    `column` is empty when the row as a whole is wrong.
    """

    request_id: str
    row: int
    column: str
    reason: str
    payload: Any


def refuse(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Keep what the data API refused.

    Texts may hold any character: what JSON in Postgres can't hold is written as its escape.
    """
    if refusals:
        pipelines = [printable(item.pipeline) for item in refusals]
        connection.execute(SQL["refuse"], {"pipelines": pipelines, **_lists(refusals)})


def keep(connection: Connection, pipeline: str, digest: str, bad: Sequence[BadRow]) -> None:
    """Keep bad rows of a digest; a row that is there already gets the newest reason."""
    if bad:
        connection.execute(SQL["keep"], {"pipeline": pipeline, "digest": digest, **_lists(bad)})


def digests_to_redrive(connection: Connection) -> set[tuple[str, str]]:
    """(pipeline, digest) with rows that a person asked to have tried again."""
    rows = connection.execute(SQL["digests_to_redrive"]).fetchall()
    return {(pipeline, digest) for pipeline, digest in rows}


def claim_redrives(
    connection: Connection, pipeline: str, digest: str, *, limit: int
) -> list[tuple[str, int]]:
    """(request_id, row) of some rows to try again, held until the transaction ends."""
    values = {"pipeline": pipeline, "digest": digest, "limit": limit}
    rows = connection.execute(SQL["claim_redrives"], values).fetchall()
    return [(request_id, row) for _, request_id, row in rows]


def resolve(
    connection: Connection, pipeline: str, digest: str, ids: Sequence[str], rows: Sequence[int]
) -> None:
    """These (request_id, row) become feature rows in this transaction."""
    values = {"pipeline": pipeline, "digest": digest}
    given = {**values, "ids": sorted(set(ids))}
    kept = connection.execute(SQL["unresolved"], given).fetchall()
    if kept:
        good = set(zip(ids, rows, strict=True)).intersection(kept)
        connection.execute(SQL["resolve"], _rows(pipeline, digest, list(good)))


def give_up(
    connection: Connection, pipeline: str, digest: str, rows: Sequence[tuple[str, int]], reason: str
) -> None:
    """These (request_id, row) can't even be tried; what is known of them stays."""
    connection.execute(SQL["give_up"], {**_rows(pipeline, digest, rows), "reason": reason})


def count_unresolved(connection: Connection, pipeline: str, digest: str) -> tuple[int, int, int]:
    """Rows of a digest that no later try has made a feature row: open, dropped, forgotten ones."""
    values = {"pipeline": pipeline, "digest": digest}
    row = connection.execute(SQL["count_unresolved"], values).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def count_dropped(connection: Connection, pipeline: str, digest: str) -> int:
    """Rows of a digest that a person has given up."""
    values = {"pipeline": pipeline, "digest": digest}
    row = connection.execute(SQL["count_dropped"], values).fetchone()
    assert row is not None
    return int(row[0])


def _lists(items: Sequence[Refusal] | Sequence[BadRow]) -> dict[str, Any]:
    return {
        "ids": [item.request_id for item in items],
        "rows": [item.row for item in items],
        "columns": [printable(item.column) for item in items],
        "reasons": [printable(item.reason) for item in items],
        "payloads": [msgspec.json.encode(printable_value(item.payload)).decode() for item in items],
    }


def _rows(pipeline: str, digest: str, rows: Sequence[tuple[str, int]]) -> dict[str, Any]:
    return {
        "pipeline": pipeline,
        "digest": digest,
        "ids": [request_id for request_id, _ in rows],
        "rows": [row for _, row in rows],
    }
