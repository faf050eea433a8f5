"""Corrected fields of rows whose raw request stays as it came.

They are laid over the raw row whenever etl makes features of it, under every digest; the newest
correction of a row holds. Feature rows that are there already stay what they are, so datasets as of
an earlier mark do too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg.types.json import Json

from mlplatform.database import queries
from mlplatform.database.raw_requests import RawRequest
from mlplatform.database.sessions import Connection

SQL = queries.load("corrections")


def lay_over(
    warehouse: Connection, pipeline: str, requests: Sequence[RawRequest]
) -> list[RawRequest]:
    """The requests with the corrections of their rows.

    Corrections of the pipeline wait until this transaction ends, so none can be missed: one that
    comes later finds what the transaction has put into quarantine.
    """
    lock_shared(warehouse, pipeline)
    found = of_requests(warehouse, pipeline, [request.request_id for request in requests])
    return [
        replace(request, corrections=found[request.request_id])
        if request.request_id in found
        else request
        for request in requests
    ]


def lock_shared(warehouse: Connection, pipeline: str) -> None:
    """Until this transaction ends no row of the pipeline is corrected or forgotten.

    Before raw rows are read: what is forgotten after that finds what the transaction makes of them.
    """
    warehouse.execute(SQL["lock_shared"], {"pipeline": pipeline})


def lock(warehouse: Connection, pipeline: str) -> None:
    """Wait for the batches of etl that have read the pipeline's rows; later ones wait for us.

    Before any row of the quarantine is locked, which such a batch may be about to change.
    """
    warehouse.execute(SQL["lock"], {"pipeline": pipeline})


def of_requests(
    warehouse: Connection, pipeline: str, ids: Sequence[str]
) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Request id -> row -> its corrected fields, of those of these requests that have any."""
    rows = warehouse.execute(SQL["of_requests"], {"pipeline": pipeline, "ids": list(ids)})
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for request_id, row, fields in rows.fetchall():
        found.setdefault(request_id, {})[row] = fields
    return found


def add(
    warehouse: Connection,
    pipeline: str,
    place: tuple[str, int],
    fields: Mapping[str, Any],
    *,
    by: str,
    why: str,
) -> list[int]:
    """Make `fields` hold for the row at `place` (request_id, row); the caller holds the lock.

    Returns the ids of the open entries of the quarantine that etl tries again now.
    """
    values = {"pipeline": pipeline, "request_id": place[0], "row": place[1]}
    more = {"fields": Json(dict(fields)), "by": by, "why": why}
    warehouse.execute(SQL["add"], values | more)
    return [int(number) for (number,) in warehouse.execute(SQL["redrive"], values).fetchall()]
