"""Forget a person: remove all rows that have a key."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.options import AsJson, Home, Pipeline
from mlplatform.cli.output import emit, table
from mlplatform.contracts.forget import Forgotten, TrainedVersion
from mlplatform.errors import InvalidInput

Key = Annotated[
    str,
    typer.Argument(
        help="Value of the pipeline's key column; - reads it from standard input, so that neither "
        "the shell's history nor a list of processes holds it."
    ),
]
Why = Annotated[str, typer.Option("--why", help="Reason, for the ledger. Name no person in it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
Unreadable = Annotated[
    bool,
    typer.Option(
        "--unreadable",
        help="Also remove dead letters and records of imports that can't be read and hold the key "
        "somewhere in their text.",
    ),
]
KINDS = {
    "rows": "rows of requests: inputs and answers",
    "features": "feature rows",
    "labels": "labels",
    "corrections": "corrections",
    "quarantined": "rows in quarantine",
    "refused": "refused labels and records of imports",
    "letters": "dead letters",
}

app = typer.Typer()


@app.command()
def forget(
    pipeline: Pipeline,
    key: Key,
    *,
    why: Why,
    dry_run: DryRun = False,
    yes: Yes = False,
    unreadable: Unreadable = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Forget a person: remove every row with this key, wherever it is stored.

    Numbers and digests stay, so the balance and `audit verify` hold. Versions that were trained on
    such rows are named. What is gone can't be brought back: it is counted first, and without --yes
    you are asked. A second run finishes what was cut short, and finds nothing when all is done.
    """
    value = _read(key)
    with connect(home).dataapi() as api:
        if dry_run or not yes:
            found = api.forget(pipeline, value, why=why, dry_run=True, unreadable=unreadable)
            if dry_run or found.empty or not as_json:
                _show(found, as_json=as_json, done=False)
            if dry_run or found.empty:
                return
            typer.confirm("remove it for good?", abort=True, err=True)
        done = api.forget(pipeline, value, why=why, unreadable=unreadable)
    _show(done, as_json=as_json, done=True)


def _read(key: str) -> str:
    if key != "-":
        return key
    value = sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise InvalidInput("standard input is empty", field="KEY")
    return value


def _show(found: Forgotten, *, as_json: bool, done: bool) -> None:
    if as_json:
        emit(found)
        return
    if found.empty:
        print(f"nothing of it is stored in {found.pipeline}")
    else:
        word = "REMOVED" if done else "WOULD BE REMOVED"
        lines = [[f"{getattr(found, name):,}", meaning] for name, meaning in KINDS.items()]
        table((word, f"OF {found.pipeline}"), lines)
    for line in [*_left(found), *_trained(found.versions)]:
        print(line)
    if done:
        print(f"entry {found.entry} of the ledger says so")


def _left(found: Forgotten) -> Iterator[str]:
    """What may hold more of it."""
    for kind, ids in (
        ("dead letters", found.unreadable_letters),
        ("records of imports in the quarantine", found.unreadable_entries),
    ):
        if ids:
            shown = ", ".join(map(str, ids[:10])) + (", …" if len(ids) > 10 else "")
            yield f"{len(ids):,} {kind} can't be read and may hold it: {shown} (see --unreadable)"
    if found.under_way:
        yield f"{found.under_way:,} requests were on their way: run it again when they are stored"
    if found.open_imports:
        imports = ", ".join(found.open_imports)
        yield f"imports had not ended: {imports}; run it again when they have"


def _trained(versions: Sequence[TrainedVersion]) -> Iterator[str]:
    for each in versions:
        what = f"version {each.version} ({each.state}) was trained on"
        if not each.version:
            what = "a training that has made no version yet has read"
        yield f"{what} {each.rows:,} of these rows: receipt {each.receipt_id}"
