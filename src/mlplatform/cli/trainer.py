"""`mlplatform trainer`: one training run, as a process of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from mlplatform.cli.options import Pipeline
from mlplatform.cli.process import begin, guarded
from mlplatform.trainer import main

app = typer.Typer()


@app.command()
def trainer(
    name: Pipeline,
    why: Annotated[str, typer.Option("--why", "-w", help="The reason, kept with the run.")] = "",
) -> None:
    """One training run, with the code that was applied.

    Ends with 0 when a version was proposed, with 1 when it failed or was refused.
    """
    settings = begin("trainer")
    guarded(lambda: main.run(settings, name, reason=why))
