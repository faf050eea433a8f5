"""From a git commit to a trained version."""

from __future__ import annotations

import json
import time
from itertools import islice
from typing import Annotated, Any

import typer

from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.options import AsJson, Home, Pipeline
from mlplatform.cli.output import emit, figures
from mlplatform.cli.terminal import console
from mlplatform.client import pipelines
from mlplatform.client.dataapi import DataApi
from mlplatform.cluster.local import environment
from mlplatform.contracts.pipeline_status import AppliedPipeline
from mlplatform.errors import Refused, UnknownName
from mlplatform.local.tour import history
from mlplatform.local.training import train as run
from mlplatform.retry import retry
from mlplatform.source.checkout import checkout

Ref = Annotated[
    str | None, typer.Option("--ref", help="Branch, tag or commit; empty: what the settings say.")
]
WorkingTree = Annotated[
    bool,
    typer.Option(
        "--working-tree", help="The files as they lie in the folder, not a commit: for local edits."
    ),
]

POLL_S = 1.0


app = typer.Typer()


@app.command()
def apply(
    name: Annotated[
        str | None, typer.Argument(help="Pipeline; empty: all of the repository.")
    ] = None,
    *,
    ref: Ref = None,
    working_tree: WorkingTree = False,
    wait_s: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for the data API to come up.")
    ] = 0.0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make the pipelines of a git commit known: their columns, features, gates and approval."""
    place = connect(home)
    with place.dataapi() as client:
        retry(lambda: client.get("/readyz"), seconds=wait_s)
        applied = [
            _apply(place, client, each, ref, working_tree=working_tree)
            for each in _names(place, name, ref, working_tree=working_tree)
        ]
    if as_json:
        emit(applied)
        return
    for each in applied:
        print(f"{each.name}: commit {each.commit[:25]}, features {each.features_digest[:12]}")


@app.command()
def train(
    name: Pipeline,
    *,
    ref: Ref = None,
    working_tree: WorkingTree = False,
    why: Annotated[
        str, typer.Option("--why", "-w", help="The reason, kept with the run.")
    ] = "by hand",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train a version on the data of the read replica, prove it, and propose it.

    With --ref or --working-tree that code is applied first.
    """
    place = connect(home)
    with place.dataapi() as client:
        if ref or working_tree:
            _apply(place, client, name, ref, working_tree=working_tree)
        if place.state is None:
            _train_on_cluster(client, name, why)
        else:
            _train_here(place, name, why)
        versions = client.get(f"/v1/models/{name}/versions")
    newest = max(versions, key=lambda version: int(version["version"]))
    if as_json:
        emit(newest)
        return
    print(f"{name} version {newest['version']} is {newest['state']}: {figures(newest['metrics'])}")
    if newest["state"] == "candidate":
        print(f"it waits for a person: mlplatform approve {name} --why '…'")


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
    """Print rows of an example pipeline as NDJSON, with the target: something to import, or to ask for."""
    for row in islice(history.live(name) if live else history.history(name), rows):
        print(json.dumps(row))


def _names(place: Platform, name: str | None, ref: str | None, *, working_tree: bool) -> list[str]:
    if name is not None:
        return [name]
    names = checkout(_source(place, working_tree=working_tree), ref=ref).pipelines()
    if not names:
        raise UnknownName(
            "there is no pipeline in the repository",
            field="pipelines",
            fix="it needs pipelines/<name>/pipeline.yaml",
        )
    return names


def _apply(
    place: Platform, client: DataApi, name: str, ref: str | None, *, working_tree: bool
) -> AppliedPipeline:
    return pipelines.apply(
        client, checkout(_source(place, working_tree=working_tree), ref=ref), name
    )


def _source(place: Platform, *, working_tree: bool) -> Any:
    source = place.settings.source
    return source.model_copy(update={"working_tree": True}) if working_tree else source


def _train_here(place: Platform, name: str, why: str) -> None:
    """As a child of this command, with the environment that the stack wrote for trainers."""
    assert place.state is not None
    home = place.state.home
    note = console(stderr=True)
    run(
        name,
        environment=environment(home / "secrets" / "trainer.json"),
        log=home / "logs" / f"trainer-{name}.log",
        why=why,
        told=lambda event: note.print(_line(event)),
    )


def _train_on_cluster(client: DataApi, name: str, why: str) -> None:
    run = client.post(f"/v1/pipelines/{name}/runs", {"reason": why})["run"]
    console(stderr=True).print(f"run {run} has started")
    while True:
        state = next(
            (
                each["state"]
                for each in client.get(f"/v1/pipelines/{name}/runs")
                if each["name"] == run
            ),
            "gone",
        )
        if state == "succeeded":
            return
        if state in ("failed", "gone"):
            raise Refused(f"run {run} has {state}", field=name, fix="its log says why")
        time.sleep(POLL_S)


def _line(event: Any) -> str:
    rest = {
        key: value
        for key, value in event.items()
        if key not in ("event", "level", "timestamp", "process", "component", "run_id", "pipeline")
    }
    return f"{event.get('event', '')}" + (f"  [dim]{figures(rest)}[/dim]" if rest else "")
