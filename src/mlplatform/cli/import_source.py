"""Where the rows of an import come from: files, or a query."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import typer

from mlplatform.cli.lazy import later
from mlplatform.client.dataapi import DataApi
from mlplatform.client.files.formats import Format
from mlplatform.client.files.inputs import input_files
from mlplatform.client.importing import ImportedFile, OnSent, send_batches, send_files
from mlplatform.errors import SettingsError

UNORDERED = (
    "note: without ORDER BY over a unique column the rows may come in another order the next time, "
    "and the same command would store them twice"
)


@dataclass(frozen=True)
class RowsSource:
    """Where the rows come from: how they are sent, and whether that are several files."""

    send: Callable[..., ImportedFile]
    several: bool = False


def rows_source(
    files: list[str], sql: str, dsn: str, given: Format | None, without: list[str]
) -> RowsSource:
    """The source that these options name. Raises BadParameter when they name none, or two."""
    if bool(files) == bool(sql):
        raise typer.BadParameter("give files, or --sql", param_hint="FILE")
    if not sql:
        if dsn:
            raise typer.BadParameter("it is where --sql runs: give both", param_hint="--dsn")
        inputs = input_files(files, given=given)
        return RowsSource(partial(send_files, files=inputs, without=without), len(inputs) > 1)
    if given or without:
        raise typer.BadParameter(
            "it is about files; the SELECT says which columns", param_hint="--format, --without"
        )
    return RowsSource(partial(_send_query, sql=sql, dsn=dsn))


def _send_query(
    api: DataApi, name: str, *, sql: str, dsn: str, on_progress: OnSent
) -> ImportedFile:
    if not re.search(r"\border\s+by\b", sql, re.IGNORECASE):
        print(UNORDERED, file=sys.stderr)
    source = query_source()
    with source.open_query(dsn, sql) as rows:
        found = (rows.schema, rows.batches)
        return send_batches(api, name, "the query", found, on_progress=on_progress)


def query_source() -> Any:
    """The module that runs a query. Raises SettingsError that names the extra which it needs."""
    try:
        return later("database.query_source")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"a query needs {error.name}, which is not installed",
            field="--sql",
            fix="pip install 'mlplatform[data]'",
        ) from error
