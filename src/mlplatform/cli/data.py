"""Data in, predictions out, and the balance of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mlplatform.cli.connection import Home, Place, connect
from mlplatform.cli.output import AsJson, emit, read_text, table

Name = Annotated[str, typer.Argument(help="Pipeline.")]
CHUNK_BYTES = 8 * 1024 * 1024
"""How much of an import file goes into one request: far below the server's limit, and a progress line every second or so."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("predict")(predict)
    app.command("import")(import_file)
    app.command("balance")(balance)


def predict(
    name: Name,
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
    from mlplatform.client.serving import ServingClient

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


def import_file(
    name: Name,
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
    from mlplatform.cli.output import console
    from mlplatform.client.importing import send_file

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


def balance(
    name: Annotated[str | None, typer.Argument(help="Pipeline; empty: all.")] = None,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show that nothing is lost: accepted = stored + dead letters + on the road, for every outbox.

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
        ("OUTBOX", "HOST", "ACCEPTED", "ON THE ROAD", "STORED", "DEAD LETTERS", "MISSING"), outboxes
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


def _rows(place: Place, name: str, row: str | None, file: Path | None) -> list[dict[str, Any]]:
    from mlplatform.errors import InvalidInput

    if (row is None) == (file is None):
        raise InvalidInput("give the rows", field="--row", fix=_example(place, name))
    if row is not None:
        return _json(row, "--row")
    assert file is not None
    rows = _csv(file) if file.suffix == ".csv" else _json(read_text(file), str(file))
    return _without_target(place, name, rows)


def _json(text: str, where: str) -> list[dict[str, Any]]:
    """A row, a list of rows, or a row a line."""
    from mlplatform.errors import InvalidInput

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
    import csv

    return [
        {name: _number(value) for name, value in line.items()}
        for line in csv.DictReader(read_text(file).splitlines())
    ]


def _without_target(place: Place, name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
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


def _example(place: Place, name: str) -> str:
    from mlplatform.client.pipelines import sample_row

    with place.dataapi("client") as client:
        row = sample_row(client.pipeline(name).parsed())
    return f"mlplatform predict {name} --row '{json.dumps(row)}'"


def _chance(chance: dict[str, float] | None) -> str:
    return "  ".join(f"{label} {value:.3f}" for label, value in chance.items()) if chance else ""
