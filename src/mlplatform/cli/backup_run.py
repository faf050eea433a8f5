"""`mlplatform backup-run`: what the CronJob runs."""

from __future__ import annotations

import typer

from mlplatform.backup import main
from mlplatform.cli.process import begin, guarded
from mlplatform.errors import IntegrityFailure, PlatformError

app = typer.Typer()


@app.command("backup-run")
def backup_run() -> None:
    """Take one snapshot of the registry, verify it and remove old ones (what the CronJob runs).

    Ends with 3 when a stored model is damaged.
    """
    settings = begin("backup")
    guarded(lambda: main.run(settings), code=_code)


def _code(error: PlatformError) -> int:
    return 3 if isinstance(error, IntegrityFailure) else 1
