"""The two pools on real servers."""

from __future__ import annotations

import os
import socket
import time

import pytest

from mlplatform.database import pools
from mlplatform.database.pools import PrimaryPool, ReplicaPool
from mlplatform.errors import InvalidInput, Overloaded, StandbyUnproven, Unavailable

LEDGER = (
    "INSERT INTO control.ledger (caller, action, subject, outcome) VALUES ('a', 'read', 'b', 'ok')"
)


def test_a_replica_read_is_proven_and_sees_what_the_primary_wrote(databases) -> None:
    """A read on the standby carries its proof and the primary's committed rows."""
    settings = databases.settings("dataapi")
    primary = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with primary.transaction() as connection:
        connection.execute(LEDGER)
    primary.close()
    databases.catch_up()
    replica = ReplicaPool(settings.warehouse_replica_dsn, settings, name="warehouse")
    with replica.read() as read:
        count = read.connection.execute("SELECT count(*) FROM control.ledger").fetchone()
    replica.close()

    assert (1,) == count
    assert f"127.0.0.1:{databases.cluster.servers.standby_port}" == read.server
    assert (1, True) == (read.timeline, read.lag_bytes >= 0)


def test_the_primary_refuses_the_reader_role(databases) -> None:
    """A replica pool that was given the primary's address gets nothing."""
    settings = databases.settings("dataapi")
    replica = ReplicaPool(databases.dsn("reader", "warehouse"), settings, name="warehouse")

    with pytest.raises(StandbyUnproven, match="refuses readers"), replica.read():
        pass


def test_a_write_is_all_or_nothing(databases) -> None:
    """An exception in the block takes everything back; the session serves the next transaction."""
    settings = databases.settings("dataapi")
    pool = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with pytest.raises(ZeroDivisionError), pool.transaction() as connection:  # noqa: PT012
        connection.execute(LEDGER)
        raise ZeroDivisionError
    with pool.transaction() as connection:
        count = connection.execute("SELECT count(*) FROM control.ledger").fetchone()
    pool.close()

    assert (0,) == count


def test_sessions_that_the_server_ended_are_replaced(databases) -> None:
    """Pooled sessions that died while idle fail no caller.

    One that dies in a transaction is Unavailable.
    """
    settings = databases.settings("dataapi").model_copy(update={"pool_max": 1})
    pool = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with pool.transaction() as connection:
        first = connection.info.backend_pid
    with databases.cluster.superuser() as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
        with pool.transaction() as connection:
            second = connection.info.backend_pid
        with (  # noqa: PT012
            pytest.raises(Unavailable, match="terminating"),
            pool.transaction() as connection,
        ):
            superuser.execute("SELECT pg_terminate_backend(%s, 5000)", (second,))
            connection.execute("SELECT 1")
    with pool.transaction() as connection:
        kept = connection.info.backend_pid
    with pool.transaction() as connection:
        again = connection.info.backend_pid
    pool.close()

    assert (True, True) == (first != second, kept == again)


def test_a_pool_that_is_full_says_so(databases) -> None:
    """More transactions than sessions wait for their turn, then are told to come later.

    No session is lost by it.
    """
    settings = databases.settings("dataapi").model_copy(
        update={"pool_max": 1, "connect_timeout_s": 0.1}
    )
    pool = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with pool.transaction(), pytest.raises(Overloaded, match="busy"), pool.transaction():
        pass
    with pool.transaction() as connection:
        answer = connection.execute("SELECT 1").fetchone()
    pool.close()

    assert (1,) == answer


WATCHED = (
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
    "idle_in_transaction_session_timeout",
)


def test_the_server_gives_up_on_a_client_that_vanished(databases) -> None:
    """The server watches every pooled session's link and idle time, so that no lock is orphaned."""
    settings = databases.settings("dataapi")
    pool = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with pool.transaction() as connection:
        found = [connection.execute(f"SHOW {name}").fetchone()[0] for name in WATCHED]
        kernel = _kernel_timeout(connection.pgconn.socket)
    pool.close()

    assert ["10", "5", "4", "30000", "10min"] == found
    assert 30_000 == kernel  # and ours of the server's


def test_a_transaction_that_rests_too_long_is_given_up(
    databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever pauses in a transaction longer than allowed has lost it, and may try again."""
    monkeypatch.setattr(pools, "IDLE_IN_TRANSACTION_S", 0.05)
    settings = databases.settings("dataapi")
    pool = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with (  # noqa: PT012
        pytest.raises(Unavailable, match="idle-in-transaction"),
        pool.transaction() as connection,
    ):
        connection.execute(LEDGER)
        time.sleep(0.3)
        connection.execute(LEDGER)
    pool.close()


def test_a_value_that_the_database_can_not_take_is_the_callers_mistake(databases) -> None:
    """A text with NUL is InvalidInput from both pools."""
    settings = databases.settings("dataapi")
    primary = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    replica = ReplicaPool(settings.warehouse_replica_dsn, settings, name="warehouse")
    with pytest.raises(InvalidInput, match="NUL"), primary.transaction() as connection:
        connection.execute("SELECT %s", ("a\0",))
    with pytest.raises(InvalidInput, match="NUL"), replica.read() as read:
        read.connection.execute("SELECT %s", ("a\0",))
    primary.close()
    replica.close()


def _kernel_timeout(number: int) -> int:
    with socket.socket(fileno=os.dup(number)) as link:
        return link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
