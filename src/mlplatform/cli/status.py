"""`mlplatform status`: the processes of the local stack."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import typer

from mlplatform.cli import local_stack
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit, table
from mlplatform.client.dataapi import DataApi
from mlplatform.client.serving import ServingClient
from mlplatform.errors import PlatformError
from mlplatform.local.state import Process, State
from mlplatform.outbox import damage

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
    degraded = (_degraded(state) if state.running else {}) | _damaged(state)
    states = {each.state for each in state.processes.values()}
    well = state.running and not degraded and states <= {"ready"}
    if as_json:
        found = {"running": state.running, "well": well, "degraded": degraded}
        emit(state.model_dump(mode="json") | found | {"versions": _versions(state)})
    else:
        _print(state, degraded)
    if not well:
        raise typer.Exit(1)


def _degraded(state: State) -> dict[str, str]:
    """What data API and serving say that they can't do -> why."""
    found: dict[str, str] = {}
    try:
        with DataApi(state.urls["dataapi"], None, timeout_s=5) as dataapi:
            found |= dataapi.ready()
    except PlatformError as error:
        found["dataapi"] = error.message
    # Whether serving is ready at all is known from its process, which may still load its models.
    with (
        suppress(PlatformError),
        ServingClient(state.urls["serving"], None, timeout_s=5) as serving,
    ):
        found |= serving.ready()
    return found


def _damaged(state: State) -> dict[str, str]:
    """What the outbox's disk damaged, until somebody removes the list of it."""
    folder = state.home / "outbox"
    found = damage.load(folder)
    if not found:
        return {}
    records = sum(each.last - each.first + 1 for each in found)
    return {
        "outbox": f"{records} record(s) could not be read, see {folder / damage.LIST}"
        " (remove it when you have); the balance names them"
    }


def _versions(state: State) -> dict[str, str]:
    """Pipeline -> version that serving answers with; nothing while it does not answer."""
    try:
        with ServingClient(state.urls["serving"], None, timeout_s=5) as serving:
            return serving.outbox().versions
    except PlatformError:
        return {}


def _state(process: Process) -> str:
    """A word; for one that is silent, since when."""
    return process.reason if process.state == "silent" else process.state


def _print(state: State, degraded: Mapping[str, str]) -> None:
    rows = [
        [
            name,
            _state(process) if state.running else "stopped",
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
    if state.warning:
        print(f"warning   {state.warning}")
    for what, why in degraded.items():
        print(f"degraded  {what}: {why}")
