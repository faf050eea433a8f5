"""Two kinds of connection pool that can't be mistaken for each other.

`PrimaryPool` writes. `ReplicaPool` reads, from a proven standby or not at all. They share no base class on purpose: a function that
takes one is refused the other by the type checker. Both are lazy (the first use connects), safe to share between threads, and blocking.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from mlplatform.database import standby
from mlplatform.database.sessions import Connection, Sessions
from mlplatform.errors import Unavailable
from mlplatform.settings import Postgres

__all__ = ["Connection", "PrimaryPool", "ReplicaPool", "StandbyRead"]


class PrimaryPool:
    """Connections to the primary, under this process's own role. A server that only reads is refused at the door."""

    def __init__(self, dsn: SecretStr, settings: Postgres, *, name: str) -> None:
        self.name = name
        address = conninfo(dsn, settings, name=name, target_session_attrs="read-write")
        self._sessions = Sessions(
            lambda: psycopg.connect(address), most=settings.pool_max, wait_s=settings.connect_timeout_s, keep=True, name=name
        )

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises Unavailable when the server is away, was demoted, or gave this transaction up (deadlock, timeout): nothing was written,
        or, if the connection broke during the commit, it is unknown whether it was. Overloaded when all sessions are busy for long.
        """
        try:
            with self._sessions.session() as connection, connection.transaction():
                yield connection
        except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
            raise Unavailable(f"database {self.name}: {one_line(error)}") from error

    def close(self) -> None:
        """Close idle connections now and busy ones when they come back."""
        self._sessions.close()


@dataclass(frozen=True)
class StandbyRead:
    """A read transaction on a proven standby: read only, one snapshot for all statements."""

    connection: Connection
    server: str
    lsn: str
    timeline: int
    lag_bytes: int


class ReplicaPool:
    """Sessions on a standby, under the reader role.

    Each read logs in afresh, so it meets the server that has the address now, and that server's login trigger.
    """

    def __init__(self, dsn: SecretStr, settings: Postgres, *, name: str) -> None:
        self.name = name
        self.dsn = dsn
        self.settings = settings
        self._sessions = Sessions(self._connect, most=settings.pool_max, wait_s=settings.connect_timeout_s, keep=False, name=name)

    @contextmanager
    def read(self) -> Generator[StandbyRead]:
        """One snapshot of a standby, proven before the block and once more after it.

        What the block read counts only when the block of `with` has been left without an exception. Raises StandbyUnproven,
        StandbyLagging, or Unavailable when the server is away or cancelled the read; there is no fallback to a primary.
        """
        try:
            with self._sessions.session() as connection, connection.transaction():
                position = standby.judge(connection.execute(standby.PROOF).fetchone(), max_lag_bytes=self.settings.max_lag_bytes)
                yield StandbyRead(connection, position.server, position.lsn, position.timeline, position.lag_bytes)
                standby.judge_end(connection.execute(standby.STILL_STANDBY).fetchone(), server=position.server)
        except psycopg.OperationalError as error:
            raise away(self.name, error) from error

    def close(self) -> None:
        """Nothing is kept between reads; here for symmetry with the other pool."""
        self._sessions.close()

    def _connect(self) -> Connection:
        connection: Connection = psycopg.connect(conninfo(self.dsn, self.settings, name=self.name))
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        return connection


def conninfo(dsn: SecretStr, settings: Postgres, *, name: str, **extra: str) -> str:
    """A connection string with our time limits. Quiet links are noticed within half a minute."""
    return make_conninfo(
        dsn.get_secret_value(),
        application_name=name,
        connect_timeout=max(2, round(settings.connect_timeout_s)),
        options=f"-c statement_timeout={round(settings.statement_timeout_s * 1000)}",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=4,
        **extra,
    )


def away(name: str, error: Exception) -> Unavailable:
    """The error for a standby that can't be read: refused by the login trigger, or away, or gave the read up."""
    if standby.TRIGGER_MARK in str(error):
        return standby.refusal("primary", f"standby {name}: the address leads to a primary, which refuses readers")
    return Unavailable(f"standby {name}: {one_line(error)}", retry_after_s=2.0)


def one_line(error: Exception) -> str:
    """An error's text on one line, for messages."""
    return " ".join(str(error).split())
