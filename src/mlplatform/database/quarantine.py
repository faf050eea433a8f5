"""Quarantine: rows, lines and labels that broke their contract, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg.rows import class_row, dict_row

from mlplatform.contracts.quarantine import Quarantined
from mlplatform.database import queries
from mlplatform.database.printable import printable, printable_value
from mlplatform.database.sessions import Connection

SQL = queries.load("quarantine")


@dataclass(frozen=True)
class Refusal:
    """Something refused at the door. `pipeline` is empty when it is not known whose it was."""

    pipeline: str
    reason: str
    payload: Mapping[str, Any]
    column: str = ""
    request_id: str | None = None
    row: int | None = None


def refuse(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Keep what was refused.

    Texts may hold any character: what JSON in Postgres can't hold is written as its escape.
    """
    if not refusals:
        return
    values = {
        "pipelines": [printable(item.pipeline) for item in refusals],
        "ids": [item.request_id for item in refusals],
        "rows": [item.row for item in refusals],
        "columns": [printable(item.column) for item in refusals],
        "reasons": [printable(item.reason) for item in refusals],
        "payloads": [
            msgspec.json.encode(printable_value(item.payload)).decode() for item in refusals
        ],
    }
    connection.execute(SQL["refuse"], values)


def unresolved(
    connection: Connection, *, pipelines: Sequence[str] | None, limit: int
) -> list[Quarantined]:
    """What waits for a person, newest first; of these pipelines, None for all."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(
            SQL["unresolved"], {"pipelines": pipelines, "limit": limit}
        ).fetchall()


def redrive(connection: Connection, pipeline: str, ids: Sequence[int] | None) -> list[int]:
    """Ask for another try; returns the entries that will get one."""
    rows = connection.execute(
        SQL["redrive"], {"pipeline": pipeline, "ids": None if ids is None else list(ids)}
    ).fetchall()
    return [int(row[0]) for row in rows]


def why_not(connection: Connection, pipeline: str, ids: Sequence[int]) -> dict[int, str]:
    """Why entries that were asked for can't be tried again."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = {
            row["id"]: row for row in cursor.execute(SQL["why_not"], {"ids": list(ids)}).fetchall()
        }
    return {number: _reason(found.get(number), pipeline) for number in ids}


def _reason(row: Mapping[str, Any] | None, pipeline: str) -> str:
    if row is None or row["pipeline"] != pipeline:
        return f"no such entry of '{pipeline}'"
    if row["resolved_at"] is not None:
        return "it is resolved already"
    return "it never became a row: correct it and send it again"
