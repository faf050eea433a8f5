"""Leases: one training per pipeline at a time, whoever started it.

The database's clock decides when one ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("leases")


@dataclass(frozen=True)
class Lease:
    """Who trains a pipeline, and until when that is believed."""

    pipeline: str
    holder: str
    expires_at: datetime


def take(connection: Connection, pipeline: str, holder: str, *, ttl_s: float) -> Lease | None:
    """Take the lease, or renew it for the same holder. None while another holder's lease lasts."""
    with connection.cursor(row_factory=class_row(Lease)) as cursor:
        return cursor.execute(
            SQL["take"], {"pipeline": pipeline, "holder": holder, "ttl_s": ttl_s}
        ).fetchone()


def find(connection: Connection, pipeline: str) -> Lease | None:
    """The lease that lasts now, if any."""
    with connection.cursor(row_factory=class_row(Lease)) as cursor:
        return cursor.execute(SQL["find"], {"pipeline": pipeline}).fetchone()


def release(connection: Connection, pipeline: str, holder: str) -> bool:
    """Give the lease back. False when `holder` has none."""
    return (
        connection.execute(SQL["release"], {"pipeline": pipeline, "holder": holder}).rowcount == 1
    )
