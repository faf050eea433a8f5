"""From a git commit to a trained version: `apply` and `train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.options import AsJson, Home, OnePipeline, Pipeline
from mlplatform.cli.output import emit, figures
from mlplatform.cli.terminal import console
from mlplatform.client import pipelines, run_watch
from mlplatform.client.dataapi import DataApi
from mlplatform.client.versions import newest
from mlplatform.cluster.local import environment
from mlplatform.cluster.run_log import Event
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.errors import UnknownName
from mlplatform.local import training
from mlplatform.local.state import State
from mlplatform.retry import retry
from mlplatform.source.checkout import Checkout, checkout

Ref = Annotated[
    str | None, typer.Option("--ref", help="Branch, tag or commit; empty: what the settings say.")
]
WorkingTree = Annotated[
    bool,
    typer.Option(
        "--working-tree", help="The files as they lie in the folder, not a commit: for local edits."
    ),
]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for the data API to come up.")]
Why = Annotated[str, typer.Option("--why", "-w", help="The reason, kept with the run.")]

REPEATED = ("step begins", "proposed")
"""Events whose content stands in later lines too; the log of the run has them."""
CONTEXT = ("event", "level", "timestamp", "process", "component", "run_id", "pipeline")
"""What stands in every event of a training, and needs no repetition on a terminal."""

app = typer.Typer()


@app.command()
def apply(
    name: OnePipeline = None,
    *,
    ref: Ref = None,
    working_tree: WorkingTree = False,
    wait_s: Wait = 0.0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make the pipelines of a git commit known: their columns, features, gates and approval."""
    platform = connect(home)
    with platform.dataapi() as api:
        retry(api.ready, seconds=wait_s)
        code = _code(platform, ref, working_tree=working_tree)
        names = [name] if name else _all_pipelines(code)
        applied = [pipelines.apply(api, code, each) for each in names]
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
    why: Why = "by hand",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train a version on the data of the read replica, prove it, and propose it.

    With --ref or --working-tree that code is applied first.
    """
    platform = connect(home)
    with platform.dataapi() as api:
        if ref or working_tree:
            pipelines.apply(api, _code(platform, ref, working_tree=working_tree), name)
        if platform.state is None:
            _train_on_cluster(api, name, why)
        else:
            train_here(platform.state, name, why)
        made = newest(api, name)
    emit(made) if as_json else print_version(made)


def print_version(version: ModelVersion) -> None:
    """A version's state and figures, and what it waits for."""
    name = version.pipeline
    print(f"{name} version {version.version} is {version.state}: {figures(version.metrics)}")
    if version.state == "candidate":
        print(f"it waits for a person: mlplatform approve {name} --why '…'")


def _code(platform: Platform, ref: str | None, *, working_tree: bool) -> Checkout:
    source = platform.settings.source
    if working_tree:
        source = source.model_copy(update={"working_tree": True})
    return checkout(source, ref=ref)


def _all_pipelines(code: Checkout) -> list[str]:
    names = code.pipelines()
    if not names:
        raise UnknownName(
            "there is no pipeline in the repository",
            field="pipelines",
            fix="it needs pipelines/<name>/pipeline.yaml",
        )
    return names


def train_here(stack: State, name: str, why: str, *, imported: Path | None = None) -> None:
    """As a child of this command, with the environment that the stack wrote for trainers."""
    out = console(stderr=True)

    def show(event: Event) -> None:
        if line := _line(event):
            out.print(line)

    training.train(
        name,
        environment=environment(stack.home / "secrets" / "trainer.json"),
        log=stack.home / "logs" / f"trainer-{name}.log",
        why=why,
        on_event=show,
        imported=imported,
    )


def _train_on_cluster(api: DataApi, name: str, why: str) -> None:
    run = api.start_run(name, reason=why)
    console(stderr=True).print(f"waiting for run {run}")
    run_watch.follow(api, name, run)


def _line(event: Mapping[str, Any]) -> str:
    """An event as a person reads it; "" for one that others repeat."""
    text = event.get("event", "")
    if text == "step done":
        return f"{event['step']}  [dim]{event['seconds']:.1f} s[/dim]"
    if text in REPEATED:
        return ""
    rest = {key: value for key, value in event.items() if key not in CONTEXT}
    return f"{text}" + (f"  [dim]{figures(rest)}[/dim]" if rest else "")
