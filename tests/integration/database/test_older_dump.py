"""Dumps of an earlier version's databases, restored and migrated: their rows come through."""

from __future__ import annotations

import json
import lzma
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.database import balance, kept_balance, migrate, roles
from mlplatform.database.datasets import DatasetStore
from mlplatform.database.pools import ReplicaPool
from mlplatform.local.servers import binaries

OLDER = Path(__file__).parents[2] / "older"
NAMES: dict[roles.Database, str] = {"raw": "older_raw", "warehouse": "older_warehouse"}


def restore(cluster: Any, kind: roles.Database, programs: Any) -> None:
    """A database with what the dump holds, as `psql` restores it, then migrated."""
    name = NAMES[kind]
    with cluster.superuser() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    address = cluster.servers.dsn("postgres", name).get_secret_value()
    subprocess.run(
        [programs.path("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", address],
        input=lzma.decompress((OLDER / f"{kind}.sql.xz").read_bytes()),
        env=dict(programs.environment),
        check=True,
        timeout=120,
    )
    with cluster.superuser() as connection:
        roles.allow_connections(connection, name, kind)
    migrate.migrate(kind, cluster.servers.dsn("owner", name))
    with cluster.superuser(name) as connection:
        roles.grant(connection, kind)


@pytest.fixture
def older(postgres: Any, databases: Any, open_folder: Path) -> Iterator[Any]:
    """The pair of databases, visible on primary and standby."""
    programs = binaries.find(None, copies=open_folder / "programs")
    for kind in NAMES:  # one after the other: Alembic works in one thread only
        restore(postgres, kind, programs)
    postgres.catch_up()
    yield replace(databases, **NAMES)
    with postgres.superuser() as connection:
        for name in NAMES.values():
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def read(datasets: DatasetStore, name: str, facts: dict[str, Any]) -> tuple[int, str]:
    """Number of rows and content hash of a dataset as of a mark."""
    query = DatasetQuery(as_of=facts["as_of"], digest=facts["digest"])
    with datasets.open(name, query, caller="test") as dataset:
        for _ in dataset.batches():
            pass
        receipt = dataset.finish()
    return receipt.rows, receipt.sha256


def test_a_dump_is_read_as_it_was(older: Any) -> None:
    """Rows, order and content hash of each dataset, from the standby, as of the mark of then."""
    known = json.loads((OLDER / "datasets.json").read_text())
    settings = older.settings("dataapi")
    datasets = DatasetStore(
        ReplicaPool(settings.warehouse_replica_dsn, settings, name="warehouse"),
        ReplicaPool(settings.raw_replica_dsn, settings, name="raw"),
    )
    found = {name: read(datasets, name, facts) for name, facts in known.items()}

    assert {name: (facts["rows"], facts["sha256"]) for name, facts in known.items()} == found


def test_its_rows_have_the_shape_of_new_ones(older: Any) -> None:
    """Each has a number of rows; what did not exist then is null, not made up."""
    with older.connect("reader", "raw", standby=True) as connection:
        counts = connection.execute(
            "SELECT count(*), sum(rows), count(digest) FROM raw.requests"
        ).fetchone()

    assert (493, 531, 0) == counts


def test_its_feature_tables_can_be_counted_by_what_came_since(older: Any) -> None:
    """What a proof counted of one holds until rows are removed from it."""
    settings = older.settings("dataapi")
    replica = ReplicaPool(settings.warehouse_replica_dsn, settings, name="warehouse")
    with replica.read() as read:
        lines, _, _ = balance.warehouse(read, None)
        counts = {each.pipeline: each.featured for each in lines}
        proof = kept_balance.prove_features(read, counts, datetime.now(UTC))
    with older.connect("dataapi", "warehouse") as warehouse:
        kept = kept_balance.keep_features(warehouse, proof)
    older.catch_up()
    with replica.read() as read:
        held = kept_balance.of_features(read.connection)
        again, _, _ = balance.warehouse(read, None, held)
    table = min(held)
    with older.connect("owner", "warehouse") as warehouse:
        warehouse.execute(
            sql.SQL("DELETE FROM {}").format(sql.Identifier("features", table)).as_string()
        )
    older.catch_up()
    with replica.read() as read:
        left = kept_balance.of_features(read.connection)

    assert kept
    assert lines == again
    assert sum(counts.values()) == sum(each.rows for each in held.values()) > 0
    assert held.keys() - {table} == left.keys()
