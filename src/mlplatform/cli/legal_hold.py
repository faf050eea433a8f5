"""Legal holds: nothing of a pipeline is removed while one stands."""

from __future__ import annotations

from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit

Pipeline = Annotated[str, typer.Argument(help="Pipeline.")]
Why = Annotated[str, typer.Option("--why", help="Reason, for the ledger.")]


def hold(pipeline: Pipeline, *, why: Why, home: Home = None, as_json: AsJson = False) -> None:
    """Put a pipeline under a legal hold: nothing of it is removed until it is released."""
    with connect(home).dataapi() as dataapi:
        made = dataapi.hold(pipeline, why=why)
    if as_json:
        emit(made)
    else:
        print(f"{pipeline} is under a legal hold: nothing of it is removed")


def release(pipeline: Pipeline, *, why: Why, home: Home = None, as_json: AsJson = False) -> None:
    """End a legal hold: the next run removes what is past its days."""
    with connect(home).dataapi() as dataapi:
        ended = dataapi.release_hold(pipeline, why=why)
    if as_json:
        emit(ended)
    else:
        print(f"{pipeline} is under no legal hold any more (it was since {ended.at:%Y-%m-%d})")
