"""Bring a database's schema up to date, and its grants with it.

Every process may call it at its start: an advisory lock lets one do the work, the others find it
done. All of it is one transaction, so a migration that fails leaves nothing behind. Alembic keeps
the record (table `public.alembic_version`); a migration is a numbered .sql file and a version file
of the same name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from mlplatform import telemetry
from mlplatform.database import pools, roles, shards
from mlplatform.database.sessions import Connection, one_line
from mlplatform.errors import Unavailable

FOLDER = Path(__file__).parent / "migrations"
DIALECT = "postgresql+psycopg://"
LOCK = 0x6D6C_706C_6174  # "mlplat": any number that nobody else uses in these databases
_log = telemetry.logger("database")


def migrate(
    which: Literal["raw", "warehouse"], dsn: SecretStr, *, shard: str | None = None
) -> None:
    """Upgrade to the newest version and apply the grants; waits while another process does.

    `shard`: which raw server it is; Refused when it was told another name before.

    The role must own the database. One that newer code has migrated is left as it is, grants and
    all: this code was rolled back, and migrations only add. Raises Unavailable when the server is
    away. A missing role or right is psycopg's own error: it is not a passing state.
    """
    engine = create_engine(DIALECT, creator=lambda: _connect(dsn), poolclass=NullPool)
    config = configuration(which)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        before = MigrationContext.configure(connection).get_current_revision()
        newer = before is not None and before not in _versions(which)
        if not newer:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _settle(driver, which, shard)
    _tell(which, before, newer=newer)


def _tell(which: Literal["raw", "warehouse"], before: str | None, *, newer: bool) -> None:
    now = head(which)
    if newer:
        _log.warning("the database is newer than this code", database=which, found=before, own=now)
    elif before != now:
        _log.info("database migrated", database=which, before=before, now=now)


def _settle(connection: Connection, which: Literal["raw", "warehouse"], shard: str | None) -> None:
    if shard:
        shards.name(connection, shard)
    roles.grant(connection, which)
    roles.allow_connections(connection, connection.info.dbname, which)


def grant_mlflow(dsn: SecretStr) -> None:
    """Say who may connect to and read MLflow's database.

    Its owner runs it, before or after MLflow has made its tables.
    """
    with _connect(dsn) as connection:
        roles.allow_connections(connection, connection.info.dbname, "mlflow")
        roles.grant(connection, "mlflow")


def head(which: Literal["raw", "warehouse"]) -> str | None:
    """The newest version that this code knows."""
    return ScriptDirectory.from_config(configuration(which)).get_current_head()


def _versions(which: Literal["raw", "warehouse"]) -> set[str]:
    return {
        script.revision
        for script in ScriptDirectory.from_config(configuration(which)).walk_revisions()
    }


def configuration(which: Literal["raw", "warehouse"]) -> Config:
    """Alembic's settings; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / which))
    config.set_main_option("path_separator", "newline")  # folders may hold spaces and colons
    return config


def _connect(dsn: SecretStr) -> Connection:
    try:
        keepalives = pools.options(pools.SERVER_KEEPALIVES)  # a migration locks whole tables
        return psycopg.connect(
            dsn.get_secret_value(),
            connect_timeout=10,
            application_name="migrate",
            options=keepalives,
        )
    except psycopg.OperationalError as error:
        raise Unavailable(f"migration: {one_line(error)}") from error
