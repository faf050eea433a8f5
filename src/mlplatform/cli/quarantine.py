"""The quarantine: what broke its contract, and what is to become of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.correction import assignments, row_of
from mlplatform.cli.listing import newest, show_facts
from mlplatform.cli.options import AsJson, Home, OnePipeline
from mlplatform.cli.output import emit, table
from mlplatform.cli.quarantine_filter import Wanted, filtered
from mlplatform.contracts.quarantine import (
    Dropped,
    QuarantineCount,
    Quarantined,
    Redriven,
    Skipped,
)

Id = Annotated[int, typer.Argument(help="Id of the entry.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Ids of entries; empty: see the filters.")]
OnlyOf = Annotated[
    str | None, typer.Option("--pipeline", "-p", help="Pipeline; needed without ids.")
]
Most = Annotated[int, typer.Option("--limit", "-n", min=0, help="Most entries, newest first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be changed.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="field=value, read by the field's type; may be repeated."),
]
RowFile = Annotated[
    Path | None, typer.Option("--file", help="JSON object of fields, in place of --set.")
]
Why = Annotated[str, typer.Option("--why", help="Reason, for the ledger.")]
MustSayWhy = Annotated[str, typer.Option("--why", help="Reason; it stays with the entries.")]

app = typer.Typer(
    name="quarantine",
    no_args_is_help=True,
    help="The quarantine: list, show, correct, redrive or drop what broke its contract.",
)


@app.command("list")
@filtered("reason", "kind", "column", "request_id", "since", "until", "state")
def list_(
    name: OnePipeline = None,
    *,
    limit: Most = 20,
    home: Home = None,
    as_json: AsJson = False,
    wanted: Wanted,
) -> None:
    """List what broke its contract: how often for which reason, and the newest entries."""
    with connect(home).dataapi("client") as api:
        counts = api.quarantine_counts(name, **wanted)
        entries = newest(
            lambda some, before: api.quarantine(name, limit=some, before=before, **wanted), limit
        )
    if as_json:
        emit({"counts": counts, "entries": entries})
        return
    _show_counts(counts)
    if entries:
        print()
        _show_entries(entries)


@app.command()
def show(entry: Id, *, home: Home = None, as_json: AsJson = False) -> None:
    """Show one entry: the row as it came, what is wrong with it, and what was decided."""
    with connect(home).dataapi("client") as api:
        found = api.quarantine_entry(entry)
    if as_json:
        emit(found)
        return
    show_facts(found)
    print(json.dumps(found.payload, indent=2, ensure_ascii=False))


@app.command()
@filtered("reason", "column", "request_id", "since", "until")
def redrive(
    ids: Ids = None,
    *,
    pipeline: OnlyOf = None,
    why: Why = "",
    dry_run: DryRun = False,
    home: Home = None,
    as_json: AsJson = False,
    wanted: Wanted,
) -> None:
    """Have rows tried again: those named, or all of a pipeline that the filters mean.

    etl does it within seconds; rows that are still bad come back with the newest reason. Ends with
    1 when a named entry can't be tried again.
    """
    with connect(home).dataapi("client") as api:
        done = api.redrive(pipeline, ids or None, why=why, dry_run=dry_run, **wanted)
    verb = "would be tried again" if dry_run else "will be tried again by etl"
    _end(done, done.redriven, done.skipped, verb, as_json=as_json)


@app.command()
def correct(
    entry: Id,
    *,
    why: MustSayWhy,
    changes: Changes = None,
    file: RowFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Correct fields of a quarantined row, and have etl make it anew.

    What was sent stays as it came. A correction after which the row would still be refused is
    refused, with the reason.
    """
    texts, fields = assignments(changes or ()), row_of(file)
    with connect(home).dataapi("client") as api:
        done = api.correct_quarantined(entry, fields, texts=texts, why=why)
    if as_json:
        emit(done)
    else:
        shown = ", ".join(f"{name}={value!r}" for name, value in done.fields.items())
        print(f"row {done.row} of {done.request_id} will be made anew by etl with {shown}")


@app.command()
@filtered("reason", "kind", "column", "request_id", "since", "until")
def drop(
    ids: Ids = None,
    *,
    why: MustSayWhy,
    pipeline: OnlyOf = None,
    dry_run: DryRun = False,
    home: Home = None,
    as_json: AsJson = False,
    wanted: Wanted,
) -> None:
    """Give entries up for good: those named, or those of a pipeline that the filters mean.

    They stay, with who and why, are not tried again, and the balance counts them as dropped. Ends
    with 1 when a named entry was not dropped.
    """
    with connect(home).dataapi("client") as api:
        done = api.drop_quarantined(pipeline, ids or None, why=why, dry_run=dry_run, **wanted)
    verb = "would be dropped" if dry_run else "dropped"
    _end(done, done.dropped, done.skipped, verb, as_json=as_json)


def _show_counts(counts: Sequence[QuarantineCount]) -> None:
    lines = [
        [each.entries, each.pipeline or "-", each.kind, each.column_name or "-", each.reason]
        for each in counts
    ]
    table(("ENTRIES", "PIPELINE", "KIND", "COLUMN", "REASON"), lines)


def _show_entries(entries: Sequence[Quarantined]) -> None:
    lines = [
        [
            each.id,
            f"{each.at:%Y-%m-%d %H:%M}",
            f"{each.request_id} {each.row}" if each.request_id else "-",
            each.column_name or "-",
            each.reason,
            "waits for etl" if each.state == "open" and each.redrive_at else each.state,
        ]
        for each in entries
    ]
    table(("ID", "AT", "REQUEST AND ROW", "COLUMN", "REASON", "STATE"), lines)


def _end(
    done: Redriven | Dropped, count: int, skipped: Sequence[Skipped], verb: str, *, as_json: bool
) -> None:
    if as_json:
        emit(done)
    else:
        print(f"{count:,} {'entry' if count == 1 else 'entries'} {verb}")
        for each in skipped:
            print(f"  {each.id}: {each.reason}")
    if skipped:
        raise typer.Exit(1)
