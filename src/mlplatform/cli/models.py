"""Model versions: look at them, and decide which one serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.options import AsJson, Home, OnePipeline, Pipeline
from mlplatform.cli.output import emit, figures, table
from mlplatform.errors import InvalidInput, Refused

Version = Annotated[str | None, typer.Argument(help="Version.", show_default=False)]
Why = Annotated[
    str, typer.Option("--why", "-w", help="The reason, kept in the promotion record for ever.")
]


app = typer.Typer()


@app.command()
def models(
    name: OnePipeline = None,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show which version serves and which one waits; with NAME, all of its versions and its promotion record."""
    with connect(home).dataapi() as client:
        if name is None:
            names = [pipeline["name"] for pipeline in client.get("/v1/pipelines")]
            found: Any = [client.get(f"/v1/models/{each}") for each in names]
        else:
            found = {
                "status": client.get(f"/v1/models/{name}"),
                "versions": client.get(f"/v1/models/{name}/versions"),
                "promotions": client.get(f"/v1/models/{name}/promotions"),
            }
    if as_json:
        emit(found)
    elif name is None:
        _overview(found)
    else:
        _history(found)


@app.command()
def approve(
    name: Pipeline, version: Version = None, *, why: Why, home: Home = None, as_json: AsJson = False
) -> None:
    """Let a candidate serve (empty VERSION: the one that waits)."""
    _decide("approve", name, version, why=why, home=home, as_json=as_json)


@app.command()
def promote(
    name: Pipeline,
    version: Annotated[str, typer.Argument(help="Version.")],
    *,
    why: Why,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Let a version serve that is a candidate, or served before."""
    _decide("promote", name, version, why=why, home=home, as_json=as_json)


@app.command()
def rollback(name: Pipeline, *, why: Why, home: Home = None, as_json: AsJson = False) -> None:
    """Bring back the version that served before."""
    _decide("rollback", name, None, why=why, home=home, as_json=as_json)


@app.command()
def reject(
    name: Pipeline,
    version: Annotated[str, typer.Argument(help="Version.")],
    *,
    why: Why,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say for good that a version must not serve."""
    _decide("reject", name, version, why=why, home=home, as_json=as_json)


def _decide(
    action: str, name: str, version: str | None, *, why: str, home: Path | None, as_json: bool
) -> None:
    if not why.strip():
        raise InvalidInput(
            "a reason is needed", field="--why", fix="say it in a few words; it stays in the record"
        )
    with connect(home).dataapi() as client:
        if action == "approve" and version is None:
            waiting = client.get(f"/v1/models/{name}")["candidate"]
            if waiting is None:
                raise Refused(
                    f"no version of '{name}' waits for approval",
                    field="VERSION",
                    fix=f"`mlplatform models {name}` shows them",
                )
            version = waiting["version"]
        body = {"action": action, "why": why} | ({"version": version} if version else {})
        entry = client.post(f"/v1/models/{name}/promotions", body)
    if as_json:
        emit(entry)
    else:
        print(
            f"{name} version {entry['version']} is {entry['state']} now (record {entry['id']}, by {entry['by']})"
        )


def _overview(statuses: list[dict[str, Any]]) -> None:
    rows = [
        [
            status["pipeline"],
            _short(status["champion"]),
            _short(status["candidate"]),
            _short(status["previous"]),
            _metrics(status["champion"]),
        ]
        for status in statuses
    ]
    table(("PIPELINE", "SERVES", "WAITS", "BEFORE", "METRICS"), rows)


def _history(found: dict[str, Any]) -> None:
    versions = [
        [
            each["version"],
            each["state"],
            each["format"],
            each["commit"][:12],
            each["created_at"][:19],
            figures(each["metrics"]),
        ]
        for each in found["versions"]
    ]
    table(("VERSION", "STATE", "FORMAT", "COMMIT", "MADE", "METRICS"), versions)
    print()
    promotions = [
        [each["at"][:19], each["action"], each["version"], each["state"], each["by"], each["why"]]
        for each in found["promotions"]
    ]
    table(("AT", "ACTION", "VERSION", "STATE", "BY", "WHY"), promotions)


def _short(version: dict[str, Any] | None) -> str:
    return version["version"] if version else "-"


def _metrics(version: dict[str, Any] | None) -> str:
    return figures(version["metrics"]) if version else ""
