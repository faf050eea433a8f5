"""Model versions: show them, and decide which one serves."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.answering import await_answer
from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.options import AsJson, Home, OnePipeline, Pipeline
from mlplatform.cli.output import emit, figures, table
from mlplatform.client.versions import waiting_version
from mlplatform.contracts.promotion import Action, ModelStatus, ModelVersion, Promotion
from mlplatform.errors import InvalidInput

Version = Annotated[str, typer.Argument(help="Version.")]
MaybeVersion = Annotated[str | None, typer.Argument(help="Version.", show_default=False)]
Why = Annotated[
    str, typer.Option("--why", "-w", help="The reason, kept in the promotion record for ever.")
]

app = typer.Typer()


@app.command()
def models(name: OnePipeline = None, *, home: Home = None, as_json: AsJson = False) -> None:
    """Show which version serves and which one waits.

    With NAME, all of its versions and its promotion record.
    """
    with connect(home).dataapi() as api:
        if name is None:
            statuses = [api.model_status(each.name) for each in api.pipelines()]
            emit(statuses) if as_json else _overview(statuses)
            return
        status, versions, promotions = (
            api.model_status(name),
            api.versions(name),
            api.promotions(name),
        )
    if as_json:
        emit({"status": status, "versions": versions, "promotions": promotions})
    else:
        _history(versions, promotions)


@app.command()
def approve(
    name: Pipeline,
    version: MaybeVersion = None,
    *,
    why: Why,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Let a candidate serve (empty VERSION: the one that waits)."""
    _decide("approve", name, version, why=why, home=home, as_json=as_json)


@app.command()
def promote(
    name: Pipeline, version: Version, *, why: Why, home: Home = None, as_json: AsJson = False
) -> None:
    """Let a version serve that is a candidate, or served before."""
    _decide("promote", name, version, why=why, home=home, as_json=as_json)


@app.command()
def rollback(name: Pipeline, *, why: Why, home: Home = None, as_json: AsJson = False) -> None:
    """Bring back the version that served before."""
    _decide("rollback", name, None, why=why, home=home, as_json=as_json)


@app.command()
def withdraw(name: Pipeline, *, why: Why, home: Home = None, as_json: AsJson = False) -> None:
    """Take the version that serves out of service; none serves until another is promoted."""
    _decide("withdraw", name, None, why=why, home=home, as_json=as_json)


@app.command()
def reject(
    name: Pipeline, version: Version, *, why: Why, home: Home = None, as_json: AsJson = False
) -> None:
    """Say for good that a version must not serve."""
    _decide("reject", name, version, why=why, home=home, as_json=as_json)


def _decide(
    action: Action, name: str, version: str | None, *, why: str, home: Path | None, as_json: bool
) -> None:
    if not why.strip():
        raise InvalidInput(
            "a reason is needed", field="--why", fix="say it in a few words; it stays in the record"
        )
    platform = connect(home)
    with platform.dataapi() as api:
        if action == "approve" and version is None:
            version = waiting_version(api, name, field="VERSION")
        entry = api.decide(name, action, why=why, version=version)
    if as_json:
        emit(entry)
    else:
        record = f"(record {entry.id}, by {entry.by})"
        print(f"{name} version {entry.version} is {entry.state} now {record}")
    if platform.state is not None and entry.state == "champion":
        _show_answer(platform, entry)


def _show_answer(platform: Platform, entry: Promotion) -> None:
    """So that the next command meets the version that this one promoted."""
    why = await_answer(platform, entry.pipeline, entry.version)
    said = f"serving does not answer with it yet: {why}" if why else "serving answers with it"
    print(said, file=sys.stderr)


def _overview(statuses: Iterable[ModelStatus]) -> None:
    rows = [
        [
            status.pipeline,
            *(
                each.version if each else "-"
                for each in (status.champion, status.candidate, status.previous)
            ),
            figures(status.champion.metrics) if status.champion else "",
        ]
        for status in statuses
    ]
    table(("PIPELINE", "SERVES", "WAITS", "BEFORE", "METRICS"), rows)


def _history(versions: Iterable[ModelVersion], promotions: Iterable[Promotion]) -> None:
    made = [
        [
            each.version,
            each.state,
            each.format,
            each.commit[:12],
            _second(each.created_at),
            figures(each.metrics),
        ]
        for each in versions
    ]
    table(("VERSION", "STATE", "FORMAT", "COMMIT", "MADE", "METRICS"), made)
    print()
    decided = [
        [_second(each.at), each.action, each.version, each.state, each.by, each.why]
        for each in promotions
    ]
    table(("AT", "ACTION", "VERSION", "STATE", "BY", "WHY"), decided)


def _second(moment: datetime) -> str:
    return moment.isoformat()[:19]
