"""History in."""

from __future__ import annotations

from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.import_source import RowsSource, rows_source
from mlplatform.cli.imported import show_accepted, show_outcome
from mlplatform.cli.options import AsJson, Home, Pipeline
from mlplatform.cli.output import emit
from mlplatform.cli.rows_progress import RowsProgress
from mlplatform.client.dataapi import DataApi
from mlplatform.client.etl_watch import EtlWatch
from mlplatform.client.files.formats import Format
from mlplatform.client.importing import ImportedFile

HistoryFiles = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE...",
        help="CSV (.csv), NDJSON (.ndjson, .jsonl), Arrow (.arrow, .feather), Parquet (.parquet), "
        "each also with .gz or .zst; patterns ('data/*.parquet'); - is stdin.",
        show_default=False,
    ),
]
Sql = Annotated[
    str,
    typer.Option(
        "--sql",
        metavar="SELECT",
        help="Rows of a query on a PostgreSQL of yours, in place of files. It only reads.",
        show_default=False,
    ),
]
Dsn = Annotated[
    str,
    typer.Option(
        "--dsn",
        metavar="ADDRESS",
        help="Where --sql runs: postgresql://USER@HOST/DATABASE or 'host=… dbname=…'. What it "
        "lacks comes from PGHOST, PGUSER, PGPASSWORD …, and ~/.pgpass.",
        show_default=False,
    ),
]
InFormat = Annotated[
    Format | None,
    typer.Option("--format", help="Format of standard input, and of names that do not say it."),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", help="Column of Parquet or Arrow to leave out; may be repeated."),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait until etl has checked the rows, and say what it found.")
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0, help="Seconds that --wait may take; empty: 120."),
]
WAIT_S = 120.0
INTERRUPTED = 130
"""As shells say that a program ended by SIGINT."""

app = typer.Typer()


@app.command("import")
def import_files(
    name: Pipeline,
    files: HistoryFiles = None,
    *,
    sql: Sql = "",
    dsn: Dsn = "",
    given: InFormat = None,
    without: Without = None,
    wait: Wait = False,
    timeout_s: Timeout = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Import history: rows with target, key and time.

    Records that can't be read go to quarantine at once; rows that break their contract when etl
    checks them, each with the reason. After Ctrl-C or an error the same command goes on where it
    ended: nothing is stored twice.
    """
    if timeout_s is not None and not wait:
        raise typer.BadParameter("it bounds --wait: give both", param_hint="--timeout")
    source = rows_source(files or [], sql, dsn, given, without or [])
    with connect(home).dataapi("client") as api:
        watch = EtlWatch(api, name) if wait else None
        total = _sent(api, name, source)
        if not as_json:
            show_accepted(total, several=source.several)
        outcome = watch and watch.outcome(
            total.accepted, wait_s=WAIT_S if timeout_s is None else timeout_s
        )
    if as_json:
        emit(total.model_dump() | ({"etl": outcome} if outcome else {}))
    elif outcome:
        show_outcome(total.accepted, outcome)


def _sent(api: DataApi, name: str, source: RowsSource) -> ImportedFile:
    with RowsProgress() as progress:
        try:
            return source.send(api, name, on_progress=progress.show)
        except KeyboardInterrupt:
            progress.note(
                f"stopped after {progress.rows:,} rows; the same command goes on from there"
            )
            raise typer.Exit(INTERRUPTED) from None
