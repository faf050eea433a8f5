"""The ledger: who touched which data.

Rows are added, never changed; no role may do more than insert and select.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.ledger import LedgerEntry
from mlplatform.database import queries
from mlplatform.database.printable import printable, printable_value
from mlplatform.database.sessions import Connection

SQL = queries.load("ledger")


@dataclass
class Entry:
    """One access, filled while it lasts.

    `outcome` is `ok`, `opened` (a stream that began), or the class of the error.
    """

    caller: str
    action: str  # read, write, label, promote, redrive, apply, run …
    subject: str  # dataset, pipeline or model
    columns: Sequence[str] | None = None
    rows: int | None = None
    lsn: str | None = None
    outcome: str = "ok"
    detail: dict[str, Any] = field(default_factory=dict)
    run: str = ""  # of a caller that is a training run; stands in the detail


def enter(connection: Connection, entry: Entry) -> int:
    """Write `entry`; returns its number.

    It counts once the connection's transaction commits. Names come from outside: they may hold any
    character.
    """
    values = {name: getattr(entry, name) for name in ("action", "rows", "lsn", "outcome")}
    values |= {name: printable(getattr(entry, name)) for name in ("caller", "subject")}
    columns = None if entry.columns is None else [printable(name) for name in entry.columns]
    detail = printable_value(entry.detail | ({"run": entry.run} if entry.run else {}))
    given = {**values, "columns": columns, "detail": Jsonb(detail)}
    row = connection.execute(SQL["enter"], given).fetchone()
    assert row is not None
    return int(row[0])


def latest(connection: Connection, *, limit: int, subject: str | None = None) -> list[LedgerEntry]:
    """The newest entries, newest first."""
    with connection.cursor(row_factory=class_row(LedgerEntry)) as cursor:
        return cursor.execute(SQL["latest"], {"limit": limit, "subject": subject}).fetchall()
