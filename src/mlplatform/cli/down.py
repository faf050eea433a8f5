"""`mlplatform down`: stop the stack from another terminal."""

from __future__ import annotations

import os
import signal
import time

import typer

from mlplatform.cli import local_stack
from mlplatform.cli.options import Home

STOP_S = 120.0
"""The drains of serving and shipper, then the servers, each with its own grace."""

app = typer.Typer()


@app.command()
def down(*, home: Home = None) -> None:
    """Stop the stack that runs in another terminal.

    Everything that was accepted is stored first.
    """
    state = local_stack.find(home)
    if state is None or not state.running:
        print("nothing is running")
        return
    os.kill(state.pid, signal.SIGTERM)
    deadline, killed = time.monotonic() + STOP_S, False
    while state.running:
        if time.monotonic() > deadline:
            os.kill(state.pid, signal.SIGKILL)  # its guard ends what is left
            killed = True
        time.sleep(0.1)
    if killed:
        print(
            f"killed, since it had not stopped after {STOP_S:g} s; requests that are not stored yet"
            f" wait in {state.home} for the next `mlplatform up`"
        )
    else:
        print(f"stopped; the data stays in {state.home}")
