"""Retention: what is kept for how long, its removal, and legal holds."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.legal_hold import hold, release
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit, table
from mlplatform.cli.proven import print_proof
from mlplatform.cli.removed import show_removed
from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.balance import BalanceSheet
from mlplatform.errors import TryLater
from mlplatform.retry import retry

PROOF_S = 60.0
"""Seconds in which a standby should have caught up with what was removed."""

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")]

app = typer.Typer(
    name="retention",
    no_args_is_help=True,
    help="Retention: remove what is past its days, and put pipelines under a legal hold.",
)
app.command()(hold)
app.command()(release)


@app.command()
def run(*, dry_run: DryRun = False, home: Home = None, as_json: AsJson = False) -> None:
    """Remove what is past its days, of every kind and pipeline (the daily run).

    What a version's receipt needs stays, so does what is under a legal hold. Every removal is
    entered in the ledger. A run that was cut short is finished by the next one. It begins and ends
    with a proof of the balance; ends with 1 when rows are gone that the last one had counted.
    """
    with connect(home).dataapi() as dataapi:
        # Before, since a removal makes void what the last proof has kept to compare with.
        sheets = [] if dry_run else [_proof(dataapi)]
        done = list(dataapi.run_retention(dry_run=dry_run))
        sheets += [] if dry_run else [_proof(dataapi)]
    found = [sheet for sheet in sheets if sheet is not None]
    differences = [each for sheet in found for each in sheet.differences]
    if as_json:
        emit({"dry_run": dry_run, "removed": done, "differences": differences})
    else:
        show_removed(done, dry_run=dry_run)
        for sheet in found[-1:]:
            print_proof(sheet.model_copy(update={"differences": differences}))
    if differences:
        raise typer.Exit(1)


def _proof(dataapi: DataApi) -> BalanceSheet | None:
    """A proof of the balance; None when there is no standby for it, which holds up no removal."""
    try:
        return retry(dataapi.prove_balance, seconds=PROOF_S)
    except TryLater as error:
        print(f"the balance is not proven: {error}", file=sys.stderr)
        return None


@app.command()
def show(*, home: Home = None, as_json: AsJson = False) -> None:
    """Show how many days each kind of each pipeline is kept, and the legal holds."""
    with connect(home).dataapi() as dataapi:
        plan = dataapi.retention_plan()
    if as_json:
        emit(plan)
        return
    lines = [
        [each.pipeline or "all", each.kind, each.days, f"{each.before:%Y-%m-%d}", each.held or "-"]
        for each in plan.steps
    ]
    table(("PIPELINE", "KIND", "DAYS", "MAY GO BEFORE", "HELD"), lines)


@app.command()
def sizes(*, home: Home = None, as_json: AsJson = False) -> None:
    """Show what every table takes on each server, in all and a row."""
    with connect(home).dataapi() as dataapi:
        found = dataapi.table_sizes()
    if as_json:
        emit(found)
        return
    lines = [
        [
            each.name,
            f"{each.rows:,}",
            f"{each.size:,}",
            f"{each.indexes:,}",
            f"{(each.size + each.indexes) / each.rows:,.0f}" if each.rows else "-",
        ]
        for each in found
    ]
    table(("TABLE", "ROWS, ABOUT", "BYTES", "OF INDEXES", "BYTES A ROW"), lines)
