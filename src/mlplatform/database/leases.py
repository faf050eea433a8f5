"""Leases: one training per pipeline at a time, whoever started it, and the token of its run.

The database's clock decides when one ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from mlplatform.contracts.lease import Lease, LeaseRequest
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("leases")


@dataclass(frozen=True)
class NewRun:
    """The run that a lease is taken for: its id, the caller who began it, its token's SHA-256.

    However often it renews the lease, it ends after `longest_s` seconds.
    """

    run: str
    caller: str
    token_sha256: str
    longest_s: float


@dataclass(frozen=True)
class RunToken:
    """What a run's token is compared with; `lives` until its lease ends."""

    pipeline: str
    run: str
    caller: str
    token_sha256: str
    token_expires_at: datetime
    lives: bool


def begin(
    connection: Connection, pipeline: str, request: LeaseRequest, new: NewRun
) -> Lease | None:
    """Take the lease for a new run. None while another holder's lease lasts."""
    with connection.cursor(row_factory=class_row(Lease)) as cursor:
        return cursor.execute(
            SQL["begin"], {"pipeline": pipeline, **request.model_dump(), **vars(new)}
        ).fetchone()


def renew(connection: Connection, pipeline: str, run: str, *, ttl_s: float) -> Lease | None:
    """Renew a run's lease and token. None when they have ended."""
    with connection.cursor(row_factory=class_row(Lease)) as cursor:
        return cursor.execute(
            SQL["renew"], {"pipeline": pipeline, "run": run, "ttl_s": ttl_s}
        ).fetchone()


def find(connection: Connection, pipeline: str) -> Lease | None:
    """The lease that lasts now, if any."""
    with connection.cursor(row_factory=class_row(Lease)) as cursor:
        return cursor.execute(SQL["find"], {"pipeline": pipeline}).fetchone()


def token(connection: Connection, run: str) -> RunToken | None:
    """The token of a run whose lease was neither given back nor taken over."""
    with connection.cursor(row_factory=class_row(RunToken)) as cursor:
        return cursor.execute(SQL["token"], {"run": run}).fetchone()


def hold(connection: Connection, run: str) -> bool:
    """Keep a run's lease as it is until the transaction ends. False when it has ended."""
    return connection.execute(SQL["hold"], {"run": run}).fetchone() is not None


def release(connection: Connection, pipeline: str, holder: str) -> bool:
    """Give the lease back. False when `holder` has none."""
    return (
        connection.execute(SQL["release"], {"pipeline": pipeline, "holder": holder}).rowcount == 1
    )


def end(connection: Connection, pipeline: str, run: str) -> bool:
    """Give a run's lease back. False when it has none."""
    return connection.execute(SQL["end"], {"pipeline": pipeline, "run": run}).rowcount == 1
