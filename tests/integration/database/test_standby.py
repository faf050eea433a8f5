"""What a standby that is promoted, behind or cut off may still answer: nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.database.datasets import DatasetStore
from mlplatform.database.pools import PrimaryPool, ReplicaPool
from mlplatform.errors import StandbyLagging, StandbyUnproven, Unavailable

DEFINITION = {
    "name": "churn",
    "description": "Whether a customer leaves.",
    "task": "regression",
    "columns": [{"name": "age", "dtype": "float64"}],
    "target": {"name": "y", "dtype": "float64"},
    "tuning": {"metric": "r2"},
    "gates": [{"metric": "r2", "min": 0}],
}
LEDGER = (
    "INSERT INTO control.ledger (caller, action, subject, outcome) SELECT 'a', 'read', "
    "repeat('b', 1000), 'ok' FROM generate_series(1, 500)"
)


def _pool(cluster: Any, **changes: Any) -> ReplicaPool:
    settings = cluster.servers.settings("dataapi").model_copy(update=changes)
    return ReplicaPool(settings.warehouse_replica_dsn, settings, name="warehouse")


def test_a_standby_that_is_promoted_is_refused_in_the_middle_of_a_read_and_before_the_next(
    throwaway,
) -> None:
    """Sessions survive a promotion.

    Rows and datasets read across it are thrown away, and no new read begins.
    """
    replica = _pool(throwaway)
    settings = throwaway.servers.settings("dataapi")
    with throwaway.superuser("warehouse") as connection:
        connection.execute(
            "INSERT INTO control.pipelines VALUES ('churn', %s, 'c', 'd', now(), 'test')",
            (json.dumps(DEFINITION),),
        )
    throwaway.catch_up()
    datasets = DatasetStore(replica, ReplicaPool(settings.raw_replica_dsn, settings, name="raw"))
    with datasets.open("churn.labels", DatasetQuery(), caller="t") as dataset:
        with (  # noqa: PT012
            pytest.raises(StandbyUnproven, match="promoted while it was read"),
            replica.read() as read,
        ):
            read.connection.execute("SELECT count(*) FROM control.pipelines")
            with throwaway.superuser(standby=True) as connection:
                connection.execute("SELECT pg_promote(wait => true, wait_seconds => 30)")
            counted = read.connection.execute("SELECT count(*) FROM control.pipelines").fetchone()
            assert (1,) == counted  # it goes on answering
        assert [] == list(dataset.batches())
        with pytest.raises(StandbyUnproven, match="promoted while it was read"):
            dataset.finish()

    with pytest.raises(StandbyUnproven), replica.read():
        pass
    with pytest.raises(StandbyUnproven), datasets.open("churn.labels", DatasetQuery(), caller="t"):
        pass


def test_a_standby_behind_its_limit_is_refused_until_it_has_caught_up(throwaway) -> None:
    """Lag is counted in bytes of WAL; above the limit the answer is "later", not old data."""
    strict, lenient = (
        _pool(throwaway, max_lag_bytes=100_000),
        _pool(throwaway, max_lag_bytes=1 << 30),
    )
    with throwaway.superuser(standby=True) as standby, throwaway.superuser("warehouse") as primary:
        standby.execute("SELECT pg_wal_replay_pause()")
        primary.execute(LEDGER)
        received = "SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn"
        end = primary.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        while not standby.execute(received, end).fetchone()[0]:
            pass
        with pytest.raises(StandbyLagging, match="bytes behind") as refused, strict.read():
            pass
        with lenient.read() as read:
            assert read.lag_bytes > 100_000
        standby.execute("SELECT pg_wal_replay_resume()")
    throwaway.catch_up()
    with strict.read() as read:
        count = read.connection.execute("SELECT count(*) FROM control.ledger").fetchone()

    assert (500,) == count
    assert refused.value.retry_after_s > 0


def test_a_standby_without_its_primary_is_refused(throwaway) -> None:
    """A standby that receives nothing can't say how far behind it is.

    The write pool says that the primary is away. Both recover.
    """
    settings = throwaway.servers.settings("dataapi").model_copy(update={"connect_timeout_s": 1.0})
    replica = _pool(throwaway)
    primary = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    with primary.transaction() as connection:
        connection.execute("SELECT 1")
    throwaway.supervisor.stop("postgres-primary")
    with pytest.raises(StandbyLagging, match="not receiving"), replica.read():
        pass
    with pytest.raises(Unavailable, match="database warehouse"), primary.transaction():
        pass
    throwaway.supervisor.start("postgres-primary")
    with primary.transaction() as connection:
        again = connection.execute("SELECT 1").fetchone()
    primary.close()
    wait = time.monotonic() + 30
    while not throwaway.servers.standby_spec().ready():
        assert time.monotonic() < wait
    with replica.read() as read:
        streams = read.lag_bytes >= 0

    assert ((1,), True) == (again, streams)


def test_a_write_pool_does_not_accept_a_standby(postgres) -> None:
    """Writers that were given a standby's address are refused at login."""
    settings = postgres.servers.settings("dataapi").model_copy(update={"connect_timeout_s": 1.0})
    pool = PrimaryPool(
        postgres.servers.dsn("dataapi", "warehouse", standby=True), settings, name="warehouse"
    )
    with pytest.raises(Unavailable), pool.transaction():
        pass
    pool.close()


def test_a_standby_that_fell_behind_or_was_promoted_is_built_anew(throwaway) -> None:
    """A copy that can't follow its primary any more is replaced at the next start.

    One that can is kept.
    """
    servers, supervisor = throwaway.servers, throwaway.supervisor
    marker = servers.standby / "kept"
    supervisor.stop("postgres-standby")
    marker.touch()
    servers.prepare_standby()
    kept = marker.exists()
    supervisor.start("postgres-standby")
    with throwaway.superuser(standby=True) as standby:
        standby.execute("SELECT pg_promote()")
    supervisor.stop("postgres-standby")
    servers.prepare_standby()
    supervisor.start("postgres-standby")
    throwaway.catch_up()

    assert (True, False) == (kept, marker.exists())
    with _pool(throwaway).read() as read:
        assert 1 == read.timeline
