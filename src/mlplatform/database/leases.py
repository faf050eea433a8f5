"""Leases: one training per pipeline at a time, whoever started it.

The database's clock decides when one ends.
"""

from __future__ import annotations

from psycopg.rows import class_row

from mlplatform.contracts.lease import Lease, LeaseRequest
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("leases")


def take(connection: Connection, pipeline: str, request: LeaseRequest) -> Lease | None:
    """Take the lease, or renew it for the same holder. None while another holder's lease lasts."""
    with connection.cursor(row_factory=class_row(Lease)) as cursor:
        return cursor.execute(
            SQL["take"], {"pipeline": pipeline, **request.model_dump()}
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
