"""Evidence: prove that stored records are what was recorded, and make keys for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.audit_verdict import show
from mlplatform.cli.connection import connect
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit
from mlplatform.cli.quarantine_filter import Wanted, filtered
from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.evidence import ProvenOutbox, StoredRecord
from mlplatform.errors import InvalidInput
from mlplatform.evidence import export as exporting
from mlplatform.evidence import keys, signatures
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.evidence.export import ExportChoice
from mlplatform.evidence.exported import ExportedRecords
from mlplatform.evidence.findings import AuditVerdict
from mlplatform.evidence.verify import Scope
from mlplatform.evidence.verify import verify as judge

FOUND = 3
"""Exit code of a verification that accuses."""
Checkpoints = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoints", help="Folder or file of checkpoints, kept elsewhere. May be repeated."
    ),
]
PublicKey = Annotated[
    str | None,
    typer.Option(
        "--public-key", help="Believe only what this key has signed: the key, or a file with it."
    ),
]

ExportFile = Annotated[
    Path | None, typer.Argument(help="A file of `audit export`; empty: the platform's records.")
]
Key = Annotated[
    str | None, typer.Option("--key", help="Only requests of this value: COLUMN=VALUE.")
]

app = typer.Typer(
    name="audit",
    no_args_is_help=True,
    help="Prove that stored records are what was recorded, and make keys for it.",
)


@app.command()
@filtered("since", "until")
def verify(
    file: ExportFile = None,
    *,
    checkpoints: Checkpoints = None,
    public_key: PublicKey = None,
    home: Home = None,
    as_json: AsJson = False,
    wanted: Wanted,
) -> None:
    """Recompute the chains of all stored records, and name every number that does not fit.

    Reads a standby, through the data API; needs a token of an auditor. With a FILE of `audit
    export` it needs no platform. Ends with 3 when a record was changed, removed, swapped or
    inserted, or a checkpoint disagrees.
    """
    witnesses = _witnesses(checkpoints or (), public_key)
    verdict = _exported(file, witnesses) if file else _stored(home, wanted, witnesses)
    _end(verdict, as_json=as_json)


@app.command()
@filtered("since", "until")
def export(
    file: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.")],
    *,
    pipeline: Annotated[str | None, typer.Option("--pipeline", "-p", help="Only of it.")] = None,
    key: Key = None,
    checkpoints: Checkpoints = None,
    home: Home = None,
    wanted: Wanted,
) -> None:
    """Write records with their proof into a file, which `audit verify FILE` checks anywhere.

    Holds the chosen requests whole, and of those between them digests only. Give checkpoints:
    without one behind the last record, the file proves nothing to others.
    """
    choice = ExportChoice(**wanted, pipeline=pipeline, key=_column_and_value(key))
    witnesses = _witnesses(checkpoints or (), None)
    with connect(home).dataapi() as api, file.open("x", encoding="utf-8") as out:
        lines = exporting.write(api.evidence(**wanted), partial(_records, api), choice, witnesses)
        out.writelines(f"{line}\n" for line in lines)
    with file.open(encoding="utf-8") as written:
        read = ExportedRecords(written, witnesses)
    print(f"{read.whole:,} records with their proof in {file}")
    for line in read.uncovered(witnesses):
        print(line, file=sys.stderr)


def _stored(home: Path | None, wanted: Wanted, witnesses: Witnesses) -> AuditVerdict:
    scope = Scope(whole=wanted["since"] is None, to_the_end=wanted["until"] is None)
    with connect(home).dataapi() as api:
        sheet = api.evidence(**wanted)
        return judge(sheet, lambda box: _records(api, box, box.last), scope, witnesses)


def _exported(file: Path, witnesses: Witnesses) -> AuditVerdict:
    with file.open(encoding="utf-8") as lines:
        read = ExportedRecords(lines, witnesses)
    scope = Scope(whole=False, to_the_end=False)
    verdict = judge(read.sheet(), read.records, scope, witnesses)
    uncovered = read.uncovered(witnesses)
    refused = (*verdict.refused, *uncovered)
    return verdict.model_copy(update={"ok": verdict.ok and not uncovered, "refused": refused})


def _records(api: DataApi, box: ProvenOutbox, upto: int) -> Iterator[StoredRecord]:
    """Those of an outbox, with one in front of the window: the first is linked to it."""
    return api.proven_records(box.outbox_id, after=max(0, box.first - 2), upto=upto)


def _column_and_value(key: str | None) -> tuple[str, str] | None:
    if key is None:
        return None
    column, sign, value = key.partition("=")
    if not sign:
        raise InvalidInput(f"'{key}' names no value", field="--key", fix="--key patient=4711")
    return column, value


@app.command()
def keygen(*, as_json: AsJson = False) -> None:
    """Make a key that signs checkpoints, and print both halves once.

    The private half belongs into the shipper's setting `audit.key`, the public one to the auditors.
    """
    pair = keys.new_pair()
    if as_json:
        emit(pair._asdict())
        return
    print(f"private (shown only now):  {pair.private}")
    print(f"public:                    {pair.public}")
    print(f"id:                        {pair.id}")


def _witnesses(places: Sequence[Path], public_key: str | None) -> Witnesses:
    found = Witnesses(None if public_key is None else signatures.PublicKey(_text(public_key)))
    for place in places:
        found.read_place(place)
    return found


def _text(key: str) -> str:
    path = Path(key)
    return path.read_text(encoding="utf-8") if path.is_file() else key


def _end(verdict: AuditVerdict, *, as_json: bool) -> None:
    if as_json:
        emit(verdict)
    else:
        show(verdict)
    if not verdict.ok:
        raise typer.Exit(FOUND)
