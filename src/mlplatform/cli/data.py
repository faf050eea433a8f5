"""Predictions out, and the balance of all rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.options import AsJson, Home, OnePipeline, Pipeline
from mlplatform.cli.output import emit, table
from mlplatform.cli.proven import print_proof
from mlplatform.cli.rows import rows_of
from mlplatform.contracts.balance import BalanceSheet, OutboxBalance, RowsBalance
from mlplatform.errors import InvalidInput

OneRow = Annotated[
    str | None,
    typer.Option("--row", "-r", help='One row as JSON: {"column": value, …}, or a list of rows.'),
]
RowsFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        help="Rows as JSON, or any file that `import` takes; - is JSON on stdin. A target in them "
        "is left out.",
    ),
]
ClientId = Annotated[
    str | None, typer.Option("--id", help="Your own id of the request; it is stored with it.")
]
Prove = Annotated[
    bool,
    typer.Option("--prove", help="Count every row, not only those that came since the last proof."),
]

app = typer.Typer()


@app.command()
def predict(
    name: Pipeline,
    row: OneRow = None,
    file: RowsFile = None,
    client_id: ClientId = None,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Request predictions. Every answered request is stored."""
    platform = connect(home)
    rows = rows_of(platform, name, row, file)
    with platform.serving() as serving:
        answer = serving.predict(name, rows, client_id=client_id)
    if as_json:
        emit(answer)
        return
    chances = answer.probabilities or [{} for _ in rows]
    lines = [
        [index, value, _chance(chance)]
        for index, (value, chance) in enumerate(zip(answer.predictions, chances, strict=True))
    ]
    table(("ROW", "PREDICTION", "PROBABILITIES"), lines)
    print(f"\nanswered by {name} version {answer.version}, request {answer.id}")


@app.command()
def balance(
    name: OnePipeline = None,
    *,
    prove: Prove = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show that nothing is lost: accepted = stored + dead letters + in flight, for every outbox.

    Ends with 1 when a request is missing, or a number was given to two; also when a proof finds
    other rows than the one before it has counted.
    """
    if prove and name:
        raise InvalidInput("a proof is of all pipelines", field="name", fix="leave it out")
    with connect(home).dataapi() as api:
        found = api.prove_balance() if prove else api.balance(name)
    if as_json:
        emit(found)
    else:
        _print_outboxes(found.outboxes)
        print()
        _print_rows(found.rows)
        print_proof(found)
    if _lost(found):
        raise typer.Exit(1)


def _lost(found: BalanceSheet) -> bool:
    broken = bool(found.differences) or not all(outbox.whole for outbox in found.outboxes)
    return broken or any(rows.unaccounted for rows in found.rows.values())


def _print_outboxes(outboxes: Sequence[OutboxBalance]) -> None:
    lines = [
        [
            each.outbox_id[:13],
            each.host,
            each.accepted,
            each.in_flight,
            each.stored,
            each.dead_lettered,
            ", ".join(f"{first}-{last}" for first, last in each.missing) or "none",
        ]
        for each in outboxes
    ]
    table(("OUTBOX", "HOST", "ACCEPTED", "IN FLIGHT", "STORED", "DEAD LETTERS", "MISSING"), lines)
    for each in outboxes:
        for line in _remarks(each):
            print(f"outbox {each.outbox_id[:13]}: {line}")


def _remarks(outbox: OutboxBalance) -> Iterator[str]:
    for each in outbox.damaged:
        numbers = _range((each.first, each.last))
        yield f"{numbers} damaged on its disk, in {each.file} at byte {each.offset}"
    if outbox.used_twice:
        numbers = ", ".join(map(_range, outbox.used_twice))
        yield f"{numbers} given to two requests each: an older copy of it went on numbering"
    if outbox.copies:
        yield "an older or second copy of it spoke, and was told to take a new identity"


def _range(numbers: tuple[int, int]) -> str:
    first, last = numbers
    return f"{first}" if first == last else f"{first}-{last}"


def _print_rows(rows: Mapping[str, RowsBalance]) -> None:
    headings = (
        *("RAW", "FEATURED", "QUARANTINED", "DROPPED", "FORGOTTEN"),
        *("WAITING", "NOT APPLICABLE", "UNACCOUNTED"),
    )
    lines = [
        [
            name,
            each.raw,
            each.featured,
            each.quarantined,
            each.dropped,
            each.forgotten,
            each.waiting,
            each.not_applicable,
            each.unaccounted,
        ]
        for name, each in rows.items()
    ]
    table(("ROWS OF", *headings), lines)


def _chance(chance: Mapping[str, float]) -> str:
    return "  ".join(f"{label} {value:.3f}" for label, value in chance.items())
