"""The servers: one command each, which loads its settings, sets up logging and hands over."""

from __future__ import annotations

import typer

from mlplatform.cli.lazy import component
from mlplatform.cli.process import begin, guarded
from mlplatform.cli.workers import WorkerWords, lead, own
from mlplatform.engine import trial_process
from mlplatform.memory import begin_start

app = typer.Typer()


def _run(name: str) -> None:
    settings = begin(name)  # first: a wrong setting is reported before the slow import
    main = component(name)
    guarded(lambda: main.run(settings))


@app.command()
def dataapi() -> None:
    """The data API: the only way to the data. Runs until SIGTERM."""
    _run("dataapi")


@app.command()
def serving(*, worker: WorkerWords = None) -> None:
    """Answers predictions and records them. Runs until SIGTERM."""
    begin_start()
    settings = begin("serving")

    def serve() -> None:
        if settings.serving.workers > 1 and worker is None:
            lead(settings)
        loaded, which = own(settings, worker)
        # A model of the last run will be loaded: its trial's process imports while this one does.
        kept = loaded.serving.cache
        waiting = trial_process.start() if kept and kept.is_dir() and any(kept.iterdir()) else None
        component("serving").run(loaded, which, waiting=waiting)

    guarded(serve)


@app.command()
def shipper() -> None:
    """Sends the outbox to the queue. Runs until SIGTERM."""
    _run("shipper")


@app.command()
def consumer() -> None:
    """Stores the queue in the raw database. Runs until SIGTERM."""
    _run("consumer")


@app.command()
def etl() -> None:
    """Turns raw rows into feature rows. Runs until SIGTERM."""
    _run("etl")
