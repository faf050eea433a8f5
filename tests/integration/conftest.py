"""Real servers for all integration tests, started once per run.

One primary and one standby; each test gets databases of its own.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka_broker import kafka_broker
from mlflow_server import mlflow
from ports import free_port
from psycopg import sql
from pydantic import SecretStr

from mlplatform.database import roles
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers import binaries
from mlplatform.local.servers.postgres import LocalPostgres, new_passwords
from mlplatform.settings import PostgresSettings

DEADLINE_S = 30.0
_numbers = itertools.count(1)

# Imported once, here: pytest would start servers again for each folder that imports the fixture.
__all__ = ["kafka_broker", "mlflow"]


@dataclass(frozen=True)
class Cluster:
    """A running primary and its standby.

    Their databases raw and warehouse are only templates.
    """

    servers: LocalPostgres
    supervisor: Supervisor

    def superuser(
        self, database: str = "postgres", *, standby: bool = False
    ) -> psycopg.Connection[Any]:
        """An autocommit session of the superuser."""
        return psycopg.connect(
            self.servers.dsn("postgres", database, standby=standby).get_secret_value(),
            autocommit=True,
        )

    def catch_up(self) -> None:
        """Wait until the standby has replayed all that the primary has written so far."""
        with self.superuser() as primary, self.superuser(standby=True) as standby:
            end = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
            wait_until(
                lambda: standby.execute(
                    "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (end,)
                ).fetchone()[0]
            )


@dataclass(frozen=True)
class Databases:
    """A fresh pair of databases, visible on primary and standby."""

    cluster: Cluster
    raw: str
    warehouse: str

    def dsn(self, role: str, database: str, *, standby: bool = False) -> SecretStr:
        """Connection string of a role ("etl", …) for "raw" or "warehouse" of this pair."""
        return self.cluster.servers.dsn(
            role, {"raw": self.raw, "warehouse": self.warehouse}[database], standby=standby
        )

    def settings(self, component: str) -> PostgresSettings:
        """The database settings of a component, as local mode gives them."""
        return self.cluster.servers.settings(component, raw=self.raw, warehouse=self.warehouse)

    def connect(
        self, role: str, database: str, *, standby: bool = False
    ) -> psycopg.Connection[Any]:
        """A plain autocommit session, for setting the scene and for looking behind it."""
        return psycopg.connect(
            self.dsn(role, database, standby=standby).get_secret_value(), autocommit=True
        )

    def catch_up(self) -> None:
        """Wait until the standby shows all that was committed so far."""
        self.cluster.catch_up()


def wait_until(holds: Callable[[], bool], *, timeout_s: float = DEADLINE_S) -> None:
    """Poll until `holds` is true; fail when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def start_cluster(folder: Path) -> Cluster:
    """Make and start a cluster; closing its supervisor ends it."""
    servers = LocalPostgres(
        folder / "postgres",
        binaries.find(None, copies=folder / "programs"),
        passwords=new_passwords(),
        primary_port=free_port(),
        standby_port=free_port(),
        durable=False,
    )
    supervisor = Supervisor([servers.primary_spec(), servers.standby_spec()], logs=folder / "logs")
    try:
        servers.prepare_primary()
        supervisor.start("postgres-primary")
        servers.provision()
        servers.prepare_standby()
        supervisor.start("postgres-standby")
    except BaseException:
        supervisor.close()
        raise
    return Cluster(servers, supervisor)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users can enter (pytest's own are closed to them)."""
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(open_folder: Path) -> Iterator[Cluster]:
    """The primary and standby that all tests share.

    Don't stop, promote or pause them: `throwaway` is for that.
    """
    cluster = start_cluster(open_folder / "shared")
    yield cluster
    cluster.supervisor.close()


@pytest.fixture
def throwaway(open_folder: Path) -> Iterator[Cluster]:
    """A primary and standby of one's own, to be broken. Costs about two seconds."""
    folder = open_folder / f"throwaway-{next(_numbers)}"
    cluster = start_cluster(folder)
    yield cluster
    cluster.supervisor.close()
    shutil.rmtree(folder)


@pytest.fixture
def databases(postgres: Cluster) -> Iterator[Databases]:
    """Fresh raw and warehouse databases, migrated, with login trigger and grants."""
    number = next(_numbers)
    pair = Databases(postgres, f"raw_{number}", f"warehouse_{number}")
    with ThreadPoolExecutor() as both:
        list(
            both.map(
                lambda clone: _clone(postgres, *clone),
                [(pair.raw, "raw"), (pair.warehouse, "warehouse")],
            )
        )
    postgres.catch_up()
    yield pair
    with postgres.superuser() as connection:
        for name in (pair.raw, pair.warehouse):
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _clone(cluster: Cluster, name: str, template: roles.Database) -> None:
    with cluster.superuser() as connection:
        roles.create_database(connection, name, template, template=template)
