"""Data in, predictions out, and the balance of both."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.options import AsJson, Home, OnePipeline, Pipeline
from mlplatform.cli.output import emit, table
from mlplatform.cli.terminal import console
from mlplatform.client.importing import send_file
from mlplatform.client.pipelines import sample_row
from mlplatform.client.serving import ServingClient
from mlplatform.errors import InvalidInput, SettingsError

CHUNK_BYTES = 8 * 1024 * 1024
"""How much of an import file goes into one request: far below the server's limit, and a progress line every second or so."""


app = typer.Typer()


@app.command()
def predict(
    name: Pipeline,
    row: Annotated[
        str | None,
        typer.Option(
            "--row", "-r", help='One row as JSON: {"column": value, …}, or a list of rows.'
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            help="Rows as JSON, NDJSON or CSV (.csv); - is stdin. A target in them is left out.",
        ),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option("--id", help="Your own id of the request; it is stored with it.")
    ] = None,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask for predictions. Every answered request is stored."""
    place = connect(home)
    rows = _rows(place, name, row, file)
    with ServingClient(place.settings.serving.url, place.token("client")) as serving:
        answer = serving.predict(name, rows, client_id=client_id)
    if as_json:
        emit(answer)
        return
    chances = answer.get("probabilities") or [None] * len(rows)
    lines = [
        [index, value, _chance(chance)]
        for index, (value, chance) in enumerate(zip(answer["predictions"], chances, strict=True))
    ]
    table(("ROW", "PREDICTION", "PROBABILITIES"), lines)
    print(f"\nanswered by {name} version {answer['version']}, request {answer['id']}")


@app.command("import")
def import_file(
    name: Pipeline,
    file: Annotated[
        Path,
        typer.Argument(help="CSV (.csv), NDJSON (.ndjson, .jsonl) or an Arrow stream (.arrow)."),
    ],
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Import history: rows with target, key and time.

    Rows that break their contract go to quarantine with the reason.
    """
    note = console(stderr=True)
    with connect(home).dataapi("client") as client:
        total = send_file(
            client,
            name,
            file,
            told=lambda done: note.print(f"{done:,} rows sent") if note.is_terminal else None,
        )
    if as_json:
        emit(total)
        return
    print(f"{total['accepted']:,} rows accepted, {total['quarantined']:,} quarantined")
    for reason in total["first_reasons"]:
        print(f"  record {reason['record']}: {reason['field']}: {reason['reason']}")


@app.command()
def balance(
    name: OnePipeline = None,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show that nothing is lost: accepted = stored + dead letters + in flight, for every outbox.

    Ends with 1 when a request is missing.
    """
    with connect(home).dataapi() as client:
        found = client.get("/v1/balance", pipeline=name)
    if as_json:
        emit(found)
    else:
        _print_balance(found)
    if any(outbox["missing"] for outbox in found["outboxes"]) or any(
        rows["unaccounted"] for rows in found["rows"].values()
    ):
        raise typer.Exit(1)


def _print_balance(found: dict[str, Any]) -> None:
    outboxes = [
        [
            each["outbox_id"][:13],
            each["host"],
            each["accepted"],
            each["in_flight"],
            each["stored"],
            each["dead_lettered"],
            _gaps(each),
        ]
        for each in found["outboxes"]
    ]
    table(
        ("OUTBOX", "HOST", "ACCEPTED", "IN FLIGHT", "STORED", "DEAD LETTERS", "MISSING"), outboxes
    )
    print()
    rows = [
        [
            name,
            each["raw"],
            each["featured"],
            each["quarantined"],
            each["waiting"],
            each["not_applicable"],
            each["unaccounted"],
        ]
        for name, each in found["rows"].items()
    ]
    table(
        ("ROWS OF", "RAW", "FEATURED", "QUARANTINED", "WAITING", "NOT APPLICABLE", "UNACCOUNTED"),
        rows,
    )


def _gaps(outbox: dict[str, Any]) -> str:
    return ", ".join(f"{first}-{last}" for first, last in outbox["missing"]) or "none"


def _rows(place: Platform, name: str, row: str | None, file: Path | None) -> list[dict[str, Any]]:
    if (row is None) == (file is None):
        raise InvalidInput("give the rows", field="--row", fix=_example(place, name))
    if row is not None:
        return _json(row, "--row")
    assert file is not None
    rows = _csv(file) if file.suffix == ".csv" else _json(_read(file), str(file))
    return _without_target(place, name, rows)


def _read(path: Path) -> str:
    """The text of a file, or of standard input for `-`. Raises SettingsError when there is none."""
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"can't read {path}: {error}", field="FILE") from error


def _json(text: str, where: str) -> list[dict[str, Any]]:
    """A row, a list of rows, or a row a line."""
    try:
        found = json.loads(text)
    except ValueError as whole:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise InvalidInput(f"not JSON: {whole}", field=where) from whole
    rows = found if isinstance(found, list) else [found]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput("not rows", field=where, fix='a row is an object: {"column": value, …}')
    return rows


def _csv(file: Path) -> list[dict[str, Any]]:
    return [
        {name: _number(value) for name, value in line.items()}
        for line in csv.DictReader(_read(file).splitlines())
    ]


def _without_target(place: Platform, name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A file may be labelled; the question must not hold the answer."""
    with place.dataapi("client") as client:
        target = client.pipeline(name).parsed().target.name
    return [{key: value for key, value in row.items() if key != target} for row in rows]


def _number(text: str | None) -> Any:
    """A CSV cell as JSON would have it: number, true, false or null where it reads so, else the text."""
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


def _example(place: Platform, name: str) -> str:
    with place.dataapi("client") as client:
        row = sample_row(client.pipeline(name).parsed())
    return f"mlplatform predict {name} --row '{json.dumps(row)}'"


def _chance(chance: dict[str, float] | None) -> str:
    return "  ".join(f"{label} {value:.3f}" for label, value in chance.items()) if chance else ""
