"""`mlplatform example`: rows of the example pipelines."""

from __future__ import annotations

import json
from itertools import islice
from typing import Annotated

import typer

from mlplatform.local.tour import history

app = typer.Typer()


@app.command()
def example(
    name: Annotated[str, typer.Argument(help="One of the example pipelines.")],
    *,
    live: Annotated[
        bool,
        typer.Option("--live", help="Rows that play the live traffic, instead of the history."),
    ] = False,
    rows: Annotated[
        int | None,
        typer.Option("--rows", "-n", min=1, help="How many, from the first; empty: all."),
    ] = None,
) -> None:
    """Print rows of an example pipeline as NDJSON, with the target.

    They are something to import, or to send for predictions.
    """
    for row in islice(history.live(name) if live else history.history(name), rows):
        print(json.dumps(row))
