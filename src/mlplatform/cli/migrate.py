"""`mlplatform migrate`: schemas and rights of the databases."""

from __future__ import annotations

from functools import cache, partial
from typing import Annotated

import typer

from mlplatform import telemetry
from mlplatform.cli.process import begin, guarded
from mlplatform.contracts.shards import names
from mlplatform.database.migrate import grant_mlflow
from mlplatform.database.migrate import migrate as upgrade
from mlplatform.errors import SettingsError, TryLater
from mlplatform.retry import retry
from mlplatform.settings import PostgresSettings, variable

app = typer.Typer()


@app.command()
def migrate(
    wait_s: Annotated[
        float,
        typer.Option(
            "--wait", help="Seconds to wait for the servers, databases and roles to be there."
        ),
    ] = 0.0,
) -> None:
    """Bring the databases whose owners' addresses are set up to date: schemas and rights.

    Safe to run from several processes at once.
    """
    settings = begin("migrate")
    guarded(lambda: _migrate(settings.postgres, wait_s))


def _migrate(postgres: PostgresSettings, wait_s: float) -> None:
    """Each database in turn; one whose server is away is waited for.

    One process that waits is cheaper than a container that is started anew.
    """
    raw, warehouse = postgres.owner_raw_dsn, postgres.owner_warehouse_dsn
    registry = postgres.mlflow_dsn
    if not (raw or warehouse or registry):
        raise SettingsError(
            "is not set",
            field=variable("postgres", "owner_raw_dsn"),
            fix="name the databases to migrate",
        )
    further = postgres.owner_raw_more_dsns
    servers = dict(zip(names(1 + len(further)), (raw, *further), strict=True))
    for shard, dsn in servers.items():
        if dsn:
            migrate_one = partial(upgrade, "raw", dsn, shard=shard)
            retry(migrate_one, seconds=wait_s, on_retry=_log)
    if warehouse:
        retry(lambda: upgrade("warehouse", warehouse), seconds=wait_s, on_retry=_log)
    if registry:
        retry(lambda: grant_mlflow(registry), seconds=wait_s, on_retry=_log)


def _log(error: TryLater) -> None:
    _log_once(str(error))


@cache
def _log_once(error: str) -> None:
    telemetry.logger("cli").warning("waiting for the database", error=error)
