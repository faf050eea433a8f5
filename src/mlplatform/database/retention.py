"""Removal from the warehouse, and legal holds.

What receipts need stays: the functions of the database decide that themselves (migrations 0008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import class_row

from mlplatform.contracts.retention import Hold, TableSize
from mlplatform.database import queries
from mlplatform.database.removed_amount import Amount
from mlplatform.database.sessions import Connection

SQL = queries.load("retention")
LONG_MS = 600_000
"""Milliseconds that a statement of a removal may take: it reads tables as a whole."""
Bounded = Literal["feature_rows", "labels", "quarantine", "quarantine_open", "receipts", "ledger"]
"""Kinds that are removed some at a time."""


@dataclass(frozen=True)
class RemovalBounds:
    """What may go of a pipeline.

    `below`: its requests with lower ids are gone. `keep`: versions whose receipts must stay
    provable, beside those that the record itself shows. Versions that were registered before
    `failed_before` and went no further have failed.
    """

    pipeline: str | None
    before: datetime
    failed_before: datetime
    below: str = ""
    keep: Sequence[str] = ()


def allow_long(connection: Connection) -> None:
    """Give the statements of this transaction time."""
    connection.execute(SQL["long"], {"ms": LONG_MS})


def holds(connection: Connection) -> list[Hold]:
    """The legal holds that stand, by pipeline."""
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(SQL["holds"]).fetchall()


def hold(connection: Connection, pipeline: str, *, why: str, by: str) -> Hold | None:
    """Put a pipeline under a hold; None where one stands already."""
    values = {"pipeline": pipeline, "why": why, "by": by}
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(SQL["hold"], values).fetchone()


def release(connection: Connection, pipeline: str) -> Hold | None:
    """End a hold; None where there is none."""
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(SQL["release"], {"pipeline": pipeline}).fetchone()


def sets(connection: Connection, pipeline: str) -> dict[str, datetime]:
    """Features digest -> when it was recorded."""
    return dict(connection.execute(SQL["sets"], {"pipeline": pipeline}).fetchall())


def bounded(
    connection: Connection, kind: Bounded, bounds: RemovalBounds, *, most: int, remove: bool
) -> tuple[Amount, int]:
    """Remove at most so many of a kind, or count all.

    The second number is what is past its days and stays, when nothing is removed.
    """
    row = connection.execute(SQL[kind], _values(bounds, most=most, remove=remove)).fetchone()
    assert row is not None
    return Amount(items=row[0], size=row[1]), int(row[2])


def corrections(connection: Connection, pipeline: str, below: str) -> None:
    """Remove corrections of rows whose requests are gone."""
    connection.execute(SQL["corrections"], {"pipeline": pipeline, "below": below})


def features(
    connection: Connection, bounds: RemovalBounds, *, remove: bool
) -> tuple[list[str], Amount]:
    """Remove feature tables that nothing uses, or name them. Returns their names."""
    found = connection.execute(SQL["features"], _values(bounds, remove=remove)).fetchall()
    total = sum((Amount(items=items, size=size) for _, items, size in found), Amount())
    return [name for name, *_ in found], total


def removed_runs(connection: Connection, pipeline: str) -> set[str]:
    """MLflow runs of a pipeline whose files were removed."""
    found = connection.execute(SQL["removed_runs"], {"pipeline": pipeline}).fetchall()
    return {run_id for (run_id,) in found}


def note_run(connection: Connection, pipeline: str, run_id: str) -> None:
    """Note that the files of a run were removed."""
    connection.execute(SQL["note_run"], {"pipeline": pipeline, "run_id": run_id})


def sizes(connection: Connection) -> list[TableSize]:
    """What the tables of a database take, the largest first."""
    with connection.cursor(row_factory=class_row(TableSize)) as cursor:
        return cursor.execute(SQL["sizes"]).fetchall()


def _values(bounds: RemovalBounds, **more: Any) -> dict[str, Any]:
    return {**asdict(bounds), "keep": list(bounds.keep), **more}
