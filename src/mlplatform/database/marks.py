"""Marks: numbers in the order of commits, by which a dataset is read as it stood.

Everything that a transaction writes under a mark becomes visible together with it.
"""

from __future__ import annotations

from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("marks")


def next_mark(warehouse: Connection) -> int:
    """The mark of this transaction. Others that take one wait until it ends, so commit soon."""
    return _number(warehouse, "next_mark")


def closed(warehouse: Connection) -> int:
    """The newest closed mark: everything that was committed before is at or below it."""
    return _number(warehouse, "closed")


def _number(warehouse: Connection, query: str) -> int:
    row = warehouse.execute(SQL[query]).fetchone()
    assert row is not None
    return int(row[0])
