"""From a git commit to a trained version: `apply` and `train`."""

from __future__ import annotations

from typing import Annotated

import typer
from uuid_utils import uuid7

from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.options import AsJson, Home, OnePipeline, Pipeline
from mlplatform.cli.output import emit, figures
from mlplatform.cli.trained_run import follow, train_here
from mlplatform.client import pipelines, run_watch
from mlplatform.client.dataapi import DataApi
from mlplatform.client.versions import version_of
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.contracts.run import Run
from mlplatform.errors import PlatformError, UnknownName
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

Waits = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Wait for the end; without, the run's id is printed."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", help="Seconds to wait; the run goes on afterwards.", show_default=False
    ),
]
Key = Annotated[
    str,
    typer.Option("--idempotency-key", help="The same key gives the same run, started once."),
]


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
    wait: Waits = True,
    timeout_s: Timeout = None,
    key: Key = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train a version on the data of the read replica, prove it, and propose it.

    With --ref or --working-tree that code is applied first. Ends with a code that says why
    (docs/reference/cli.md); --json prints the run's record, however it ended.
    """
    platform = connect(home)
    with platform.dataapi() as api:
        if ref or working_tree:
            pipelines.apply(api, _code(platform, ref, working_tree=working_tree), name)
        here = platform.state if wait and timeout_s is None and not key else None
        run, failure = _begun(api, here, name, why, key)
        run = follow(api, run, timeout_s) if wait else run
        _show(api, run, as_json=as_json)
    if failure is not None:
        raise failure
    if wait:
        run_watch.require_success(run)


def _begun(
    api: DataApi, here: State | None, name: str, why: str, key: str
) -> tuple[Run, PlatformError | None]:
    if here is not None:
        return train_here(api, here, name, why)
    return api.start_run(name, reason=why, key=key or uuid7().hex), None


def _show(api: DataApi, run: Run, *, as_json: bool) -> None:
    if as_json:
        emit(run)
    elif run.state == "succeeded":
        print_version(version_of(api, run))
    elif not run.final:
        print(run.id)


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
