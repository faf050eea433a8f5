"""One command per process: what the chart and local mode start.

Each loads its settings, sets up logging and hands over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mlplatform.settings import Settings

PANEL = "Processes (started by the chart and by local mode)"

SERVERS = {
    "dataapi": "The data API: the only door to the data.",
    "serving": "Answers predictions and records them.",
    "shipper": "Sends the outbox to the queue.",
    "consumer": "Stores the queue in the raw database.",
    "etl": "Turns raw rows into feature rows.",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, what in SERVERS.items():
        app.command(name, help=f"{what} Runs until SIGTERM.", rich_help_panel=PANEL)(_server(name))
    app.command("trainer", rich_help_panel=PANEL)(trainer)
    app.command("backup-run", rich_help_panel=PANEL)(backup_run)
    app.command("mlflow", rich_help_panel=PANEL)(mlflow)
    app.command("migrate", rich_help_panel=PANEL)(migrate)


def begin(process: str) -> Settings:
    """Load the settings and set up the logs of this process."""
    from mlplatform import settings, telemetry

    loaded = settings.load()
    telemetry.configure(loaded.telemetry, process=process)
    return loaded


def guarded(work: Callable[[], Any], *, damage: int = 1) -> None:
    """Run a process; an error of ours becomes one log line and exit code 1, or `damage` when bytes are not what they should be.

    Other errors keep their traceback.
    """
    from mlplatform import telemetry
    from mlplatform.errors import IntegrityFailure, PlatformError

    try:
        work()
    except PlatformError as error:
        telemetry.logger("cli").error(
            "process ended", error=str(error), kind=type(error).__name__, field=error.field
        )
        sys.exit(damage if isinstance(error, IntegrityFailure) else 1)


def trainer(
    name: Annotated[str, typer.Argument(help="Pipeline.")],
    why: Annotated[str, typer.Option("--why", "-w", help="The reason, kept with the run.")] = "",
) -> None:
    """One training run, with the code that was applied.

    Ends with 0 when a version was proposed, with 1 when it failed or was refused.
    """
    from mlplatform.trainer import main

    settings = begin("trainer")
    guarded(lambda: main.run(settings, name, reason=why))


def backup_run() -> None:
    """Take one snapshot of the registry, verify it and remove old ones (what the CronJob runs).

    Ends with 3 when a stored model is damaged.
    """
    from mlplatform.backup import main

    settings = begin("backup")
    guarded(lambda: main.run(settings), damage=3)


def mlflow() -> None:
    """MLflow's tracking server and registry, on its database. Runs until SIGTERM."""
    import os

    from mlplatform.mlflow import main

    settings = begin("mlflow")
    guarded(lambda: main.run(settings, os.environ))


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
    from mlplatform.database.migrate import grant_mlflow
    from mlplatform.database.migrate import migrate as upgrade
    from mlplatform.errors import SettingsError
    from mlplatform.settings import variable

    settings = begin("migrate")
    raw, warehouse, registry = (
        settings.postgres.owner_raw_dsn,
        settings.postgres.owner_warehouse_dsn,
        settings.postgres.mlflow_dsn,
    )

    def work() -> None:
        if not (raw or warehouse or registry):
            raise SettingsError(
                "is not set",
                field=variable("postgres", "owner_raw_dsn"),
                fix="name the databases to migrate",
            )
        if raw:
            _patiently(lambda: upgrade("raw", raw), wait_s)
        if warehouse:
            _patiently(lambda: upgrade("warehouse", warehouse), wait_s)
        if registry:
            _patiently(lambda: grant_mlflow(registry), wait_s)

    guarded(work)


def _patiently(work: Callable[[], None], seconds: float) -> None:
    """Again and again while the server is away.

    One process that waits is cheaper than a container that is started anew.
    """
    import time

    from mlplatform import telemetry
    from mlplatform.errors import Unavailable

    deadline, told = time.monotonic() + seconds, ""
    while True:
        try:
            return work()
        except Unavailable as error:
            if time.monotonic() > deadline:
                raise
            if str(error) != told:
                told = str(error)
                telemetry.logger("cli").warning("waiting for the database", error=told)
            time.sleep(1.0)


def _server(name: str) -> Callable[[], None]:
    def command() -> None:
        from importlib import import_module

        settings = begin(name)
        module = import_module(f"mlplatform.{name}.main")
        guarded(lambda: module.run(settings))

    return command
