"""`mlplatform trainer`: one training run, as a process of its own."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import SecretStr

from mlplatform.cli import process
from mlplatform.cli.options import Pipeline
from mlplatform.contracts.exit_code import exit_code
from mlplatform.settings import Settings, variable
from mlplatform.telemetry import logger
from mlplatform.trainer.begin import begun
from mlplatform.trainer.credentials import has_run_token

TOKEN = variable("dataapi", "token")
_log = logger("trainer")

app = typer.Typer()


@app.command()
def trainer(
    name: Pipeline,
    *,
    job: Annotated[str, typer.Option(help="Name of its Job: by it its record is found.")] = "",
    why: Annotated[str, typer.Option("--why", "-w", help="The reason, kept with the run.")] = "",
    imported: Annotated[
        Path | None,
        typer.Option("--import", metavar="FOLDER", help="Import a model, of that folder."),
    ] = None,
) -> None:
    """One training run, with the code that was applied.

    Ends with 0 when a version was proposed, else with a code that says why (docs/reference/cli.md).
    """
    settings = process.begin("trainer")
    process.guarded(lambda: _run(settings, name, job, why, imported), code=exit_code)


def _run(settings: Settings, name: str, job: str, why: str, imported: Path | None) -> None:
    if has_run_token(settings):
        # Loaded by name: what a training imports takes seconds, which the first of the two
        # processes would spend for nothing.
        main = import_module("mlplatform.trainer.main")
        main.run(settings, name, reason=why, imported=imported)
        return
    given = [variable for variable in os.environ if variable.upper() == TOKEN]
    if settings.dataapi.token is not None and not given:
        _log.warning(
            "the trainer's token is in a file, which the pipeline's code can read",
            fix=f"give it as {TOKEN}",
        )
    with begun(settings, name, job=job, reason=why) as token:
        _begin_anew(token, without=given)


def _begin_anew(token: SecretStr, *, without: list[str]) -> NoReturn:
    """The same program in the same process, with the run's token in place of the trainer's.

    What a process was started with stays readable in it (/proc/self/environ, its memory), whatever
    it forgets. After an exec neither has been there.
    """
    environment = {name: value for name, value in os.environ.items() if name not in without}
    environment[TOKEN] = token.get_secret_value()
    os.execve(  # noqa: S606  (no shell is involved)
        sys.executable, [sys.executable, *sys.orig_argv[1:]], environment
    )
