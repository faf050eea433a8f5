"""The two pools on real servers."""

from __future__ import annotations

import pytest

from mlplatform.database.pools import PrimaryPool, ReplicaPool
from mlplatform.errors import StandbyUnproven


def test_a_replica_read_is_proven_and_sees_what_the_primary_wrote(databases) -> None:
    """A read on the standby carries its proof and the primary's committed rows."""
    settings = databases.settings("dataapi")
    primary = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with primary.transaction() as connection:
        connection.execute("INSERT INTO control.ledger (caller, action, subject, outcome) VALUES ('a', 'read', 'b', 'ok')")
    primary.close()
    databases.catch_up()
    replica = ReplicaPool(settings.warehouse_replica_dsn, settings, name="warehouse")
    with replica.read() as read:
        count = read.connection.execute("SELECT count(*) FROM control.ledger").fetchone()
    replica.close()

    assert count == (1,)
    assert f"127.0.0.1:{databases.cluster.servers.standby_port}" == read.server
    assert (read.timeline, read.lag_bytes >= 0) == (1, True)


def test_the_primary_refuses_the_reader_role(databases) -> None:
    """A replica pool that was given the primary's address gets nothing."""
    settings = databases.settings("dataapi")
    replica = ReplicaPool(databases.dsn("reader", "warehouse"), settings, name="warehouse")

    with pytest.raises(StandbyUnproven, match="refuses readers"), replica.read():
        pass
