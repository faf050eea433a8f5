"""Dead letters: records of the queue that could not become rows, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.listing import newest, show_facts
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit, table
from mlplatform.cli.quarantine import DryRun, Most, MustSayWhy, Why
from mlplatform.cli.quarantine_filter import Wanted, filtered
from mlplatform.contracts.dead_letters import (
    LetterCount,
    LettersDropped,
    LettersRedriven,
    ListedLetter,
)
from mlplatform.errors import InvalidInput

Id = Annotated[int, typer.Argument(help="Id of the letter.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Ids of letters; empty: see the filters.")]
Corrected = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="A corrected record (JSON) in place of the one letter's own; its numbers and its "
        "request id must be the same.",
    ),
]

app = typer.Typer(
    name="deadletters",
    no_args_is_help=True,
    help="Dead letters: list, show, redrive or drop records that could not become rows.",
)


@app.command("list")
@filtered("reason", "letter", "of", "outbox_id", "request_id", "since", "until", "state")
def list_(*, limit: Most = 20, home: Home = None, as_json: AsJson = False, wanted: Wanted) -> None:
    """List records that could not become rows: how often for which reason, and the newest ones."""
    with connect(home).dataapi() as api:
        counts = api.dead_letter_counts(**wanted)
        letters = newest(
            lambda some, before: api.dead_letters(limit=some, before=before, **wanted), limit
        )
    if as_json:
        emit({"counts": counts, "letters": letters})
        return
    _show_counts(counts)
    if letters:
        print()
        _show_letters(letters)


@app.command()
def show(letter: Id, *, home: Home = None, as_json: AsJson = False) -> None:
    """Show one dead letter: the record as it came, why it is none of ours, and what was decided."""
    with connect(home).dataapi() as api:
        found = api.dead_letter(letter)
    if as_json:
        emit(found)
        return
    show_facts(found)
    print(_readable(found.payload))


@app.command()
@filtered("reason", "letter", "of", "outbox_id", "request_id", "since", "until")
def redrive(
    ids: Ids = None,
    *,
    file: Corrected = None,
    why: Why = "",
    dry_run: DryRun = False,
    home: Home = None,
    as_json: AsJson = False,
    wanted: Wanted,
) -> None:
    """Try dead letters again: those named, or those that the filters mean.

    One that can be read now is stored as the request that it is; the others stay, with the newest
    reason. Ends with 1 when a letter is not a row afterwards.
    """
    with connect(home).dataapi() as api:
        done = api.redrive_letters(
            ids or None, why=why, payload=_text(file), dry_run=dry_run, **wanted
        )
    verb = "would be tried again" if dry_run else "stored as requests"
    lines = [_count(done.redriven, verb)]
    if done.still_dead:
        lines.append(_count(done.still_dead, "still can't be stored"))
    _end(done, lines, as_json=as_json)


@app.command()
@filtered("reason", "letter", "of", "outbox_id", "request_id", "since", "until")
def drop(
    ids: Ids = None,
    *,
    why: MustSayWhy,
    dry_run: DryRun = False,
    home: Home = None,
    as_json: AsJson = False,
    wanted: Wanted,
) -> None:
    """Give dead letters up for good: those named, or those that the filters mean.

    They stay, with who and why, and are not tried again; the balance still counts them. Ends with 1
    when a named letter was not dropped.
    """
    with connect(home).dataapi() as api:
        done = api.drop_letters(ids or None, why=why, dry_run=dry_run, **wanted)
    verb = "would be dropped" if dry_run else "dropped"
    _end(done, [_count(done.dropped, verb)], as_json=as_json)


def _show_counts(counts: Sequence[LetterCount]) -> None:
    lines = [[each.letters, each.kind, each.pipeline or "-", each.reason] for each in counts]
    table(("LETTERS", "KIND", "PIPELINE", "REASON"), lines)


def _show_letters(letters: Sequence[ListedLetter]) -> None:
    lines = [
        [
            each.id,
            f"{each.at:%Y-%m-%d %H:%M}",
            each.request_id or "-",
            f"{each.outbox_id} {each.sequence}" if each.outbox_id else "-",
            each.reason,
            each.state,
        ]
        for each in letters
    ]
    table(("ID", "AT", "REQUEST", "OUTBOX AND NUMBER", "REASON", "STATE"), lines)


def _readable(payload: str) -> str:
    """Indented where it is JSON, as it is otherwise."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload


def _text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise InvalidInput(f"can't read {file}: {error.strerror}", field="--file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8", field="--file") from error


def _count(letters: int, verb: str) -> str:
    return f"{letters:,} {'dead letter' if letters == 1 else 'dead letters'} {verb}"


def _end(done: LettersRedriven | LettersDropped, lines: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        emit(done)
    else:
        print("\n".join([*lines, *(f"  {each.id}: {each.reason}" for each in done.skipped)]))
    if done.skipped:
        raise typer.Exit(1)
