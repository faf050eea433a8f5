"""Two kinds of connection pool that can't be mistaken for each other.

`PrimaryPool` writes. `ReplicaPool` reads, from a proven standby or not at all. They share no base
class on purpose: a function that takes one is refused the other by the type checker. Both are lazy
(the first use connects), safe to share between threads, and blocking.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from mlplatform.database import standby
from mlplatform.database.sessions import Connection, Sessions, one_line
from mlplatform.errors import InvalidInput, Unavailable
from mlplatform.settings import PostgresSettings

QUIET_MS = 30_000
"""Milliseconds that sent bytes may stay unanswered. Keepalives watch idle links only; without this
the kernel retries for a quarter of an hour."""
IDLE_IN_TRANSACTION_S = 600
"""Longest pause between two statements of a transaction: far above etl's work on one batch."""
# A client whose node vanishes says no goodbye. By the kernel's own settings the server would keep
# its session, and the row locks of its open transaction (the progress row, the offsets, the mark),
# for two hours, and all others would wait for them.
SERVER_KEEPALIVES: dict[str, object] = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 4,
}
# To psycopg the latter is not an OperationalError.
_AWAY = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)
# No larger work_mem: with it the planner hashes and sorts what comes in order from two indexes,
# three times slower, and the first row waits for the last.
_FOR_DATASETS: dict[str, object] = {"statement_timeout": 0}
# Compiling costs more than it saves: our statements are short, or run once in a session.
_NOT_COMPILED: dict[str, object] = {"jit": "off"}


class PrimaryPool:
    """Connections to the primary, under this process's own role.

    A server that only reads is refused at login.
    """

    def __init__(self, dsn: SecretStr, settings: PostgresSettings, *, name: str) -> None:
        self.name = name
        address = conninfo(dsn, settings, name=name, target_session_attrs="read-write")
        self._sessions = Sessions(
            lambda: psycopg.connect(address),
            most=settings.pool_max,
            wait_s=settings.connect_timeout_s,
            keep=True,
            name=name,
        )

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises Unavailable when the server is away, was demoted, or gave this transaction up
        (deadlock, timeout): nothing was written, or, if the connection broke during the commit, it
        is unknown whether it was. Overloaded when all sessions are busy for long. InvalidInput when
        the database can't take a value (a text with NUL, a number out of range).
        """
        try:
            with self._sessions.session() as connection, connection.transaction():
                yield connection
        except psycopg.DataError as error:
            raise InvalidInput(f"the database refuses it: {one_line(error)}") from error
        except (*_AWAY, psycopg.errors.ReadOnlySqlTransaction) as error:
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

    Each read logs in afresh, so it meets the server that has the address now, and that server's
    login trigger.
    """

    def __init__(self, dsn: SecretStr, settings: PostgresSettings, *, name: str) -> None:
        self.name = name
        self.dsn = dsn
        self.settings = settings
        self._sessions = Sessions(
            self._connect,
            most=settings.pool_max,
            wait_s=settings.connect_timeout_s,
            keep=False,
            name=name,
        )

    @contextmanager
    def read(self) -> Generator[StandbyRead]:
        """One snapshot of a standby, proven before the block and once more after it.

        What the block read counts only when the block of `with` has been left without an exception.
        Raises StandbyUnproven, StandbyLagging, or Unavailable when the server is away or cancelled
        the read; there is no fallback to a primary. InvalidInput when the database can't take a
        value.
        """
        try:
            with self._sessions.session() as connection, connection.transaction():
                position = standby.judge(
                    connection.execute(standby.PROOF).fetchone(),
                    max_lag_bytes=self.settings.max_lag_bytes,
                )
                yield StandbyRead(
                    connection, position.server, position.lsn, position.timeline, position.lag_bytes
                )
                standby.judge_end(
                    connection.execute(standby.STILL_STANDBY).fetchone(), server=position.server
                )
        except psycopg.DataError as error:
            raise InvalidInput(f"the database refuses it: {one_line(error)}") from error
        except _AWAY as error:
            raise away(self.name, error) from error

    def close(self) -> None:
        """Nothing is kept between reads; here for symmetry with the other pool."""
        self._sessions.close()

    def _connect(self) -> Connection:
        connection: Connection = psycopg.connect(conninfo(self.dsn, self.settings, name=self.name))
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        return connection


def conninfo(dsn: SecretStr, settings: PostgresSettings, *, name: str, **extra: str) -> str:
    """A connection string with our time limits.

    A link that went quiet is noticed within half a minute, by both ends.
    """
    bounds = {
        "statement_timeout": round(settings.statement_timeout_s * 1000),
        "idle_in_transaction_session_timeout": round(IDLE_IN_TRANSACTION_S * 1000),
        "tcp_user_timeout": QUIET_MS,
    }
    return _address(dsn, settings, name, bounds, extra)


def streaming_conninfo(dsn: SecretStr, settings: PostgresSettings, *, name: str) -> str:
    """A connection string for one dataset on a standby.

    A read may take as long as its reader does; the data API cuts a stalled one off. The server's
    end has no tcp_user_timeout: to it a reader that is slow looks like one that is gone.
    """
    return _address(dsn, settings, name, _FOR_DATASETS, {})


def _address(
    dsn: SecretStr,
    settings: PostgresSettings,
    name: str,
    server: Mapping[str, object],
    client: Mapping[str, str],
) -> str:
    return make_conninfo(
        dsn.get_secret_value(),
        application_name=name,
        connect_timeout=max(2, round(settings.connect_timeout_s)),
        options=options({**SERVER_KEEPALIVES, **_NOT_COMPILED, **server}),
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=4,
        tcp_user_timeout=QUIET_MS,
        **client,
    )


def options(server: Mapping[str, object]) -> str:
    """Settings of a session at its server, as the connection parameter of that name."""
    return " ".join(f"-c {name}={value}" for name, value in server.items())


def away(name: str, error: Exception) -> Unavailable:
    """The error for a standby that refused the login, is away, or gave the read up."""
    if standby.TRIGGER_MARK in str(error):
        return standby.refusal(
            "primary", f"standby {name}: the address leads to a primary, which refuses readers"
        )
    return Unavailable(f"standby {name}: {one_line(error)}", retry_after_s=2.0)
