"""`mlplatform status`: the processes of the local stack."""

from __future__ import annotations

import typer

from mlplatform.cli import local_stack
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit, table
from mlplatform.client.serving import ServingClient
from mlplatform.errors import PlatformError
from mlplatform.local.state import State

app = typer.Typer()


@app.command()
def status(*, home: Home = None, as_json: AsJson = False) -> None:
    """Show the processes of the local stack and whether they answer.

    Ends with 1 when one is not well.
    """
    state = local_stack.find(home)
    if state is None:
        print("there is no local stack here; `mlplatform up` starts one")
        raise typer.Exit(1)
    well = state.running and all(process.state == "ready" for process in state.processes.values())
    if as_json:
        found = {"running": state.running, "well": well, "versions": _versions(state)}
        emit(state.model_dump(mode="json") | found)
    else:
        _print(state)
    if not well:
        raise typer.Exit(1)


def _versions(state: State) -> dict[str, str]:
    """Pipeline -> version that serving answers with; nothing while it does not answer."""
    try:
        with ServingClient(state.urls["serving"], None, timeout_s=5) as serving:
            return serving.outbox().versions
    except PlatformError:
        return {}


def _print(state: State) -> None:
    rows = [
        [
            name,
            process.state if state.running else "stopped",
            process.pid if state.running else None,
            process.restarts,
            process.log,
        ]
        for name, process in state.processes.items()
    ]
    table(("PROCESS", "STATE", "PID", "RESTARTS", "LOG"), rows)
    print()
    if not state.running:
        print(f"the stack in {state.home} is not running")
        return
    for name, url in state.urls.items():
        print(f"{name:<9} {url}")
    versions = ", ".join(f"{name} {version}" for name, version in _versions(state).items())
    print(f"versions  {versions or 'none answers yet'}")
    print(f"tokens    {state.home / 'secrets' / 'tokens.json'}")
