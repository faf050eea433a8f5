"""Rows to predict, from the command line or a file."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from mlplatform.cli.connection import Platform
from mlplatform.client.pipelines import sample_row
from mlplatform.errors import InvalidInput, SettingsError

Row = dict[str, Any]


def rows_of(platform: Platform, name: str, row: str | None, file: Path | None) -> list[Row]:
    """The rows of `row` (JSON) or `file`, of which exactly one must be given.

    Raises InvalidInput that shows a row to send, or says what is wrong with those that were given;
    SettingsError for a file that can't be read.
    """
    if (row is None) == (file is None):
        raise InvalidInput("give the rows", field="--row", fix=_example(platform, name))
    if row is not None:
        return from_json(row, "--row")
    assert file is not None
    rows = _from_csv(_read(file)) if file.suffix == ".csv" else from_json(_read(file), str(file))
    return _without_target(platform, name, rows)


def from_json(text: str, where: str) -> list[Row]:
    """A row, a list of rows, or a row a line. Raises InvalidInput for anything else."""
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


def _from_csv(text: str) -> list[Row]:
    return [
        {name: _number(value) for name, value in line.items()}
        for line in csv.DictReader(text.splitlines())
    ]


def _number(text: str | None) -> Any:
    """A CSV cell as JSON would have it: a number, true, false or null if it reads so, else text."""
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


def _read(path: Path) -> str:
    """The text of a file, or of standard input for `-`."""
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"can't read {path}: {error}", field="FILE") from error


def _without_target(platform: Platform, name: str, rows: list[Row]) -> list[Row]:
    """A file may be labelled; what is to be predicted must not be sent."""
    with platform.dataapi("client") as api:
        target = api.pipeline(name).parsed().target.name
    return [{key: value for key, value in row.items() if key != target} for row in rows]


def _example(platform: Platform, name: str) -> str:
    with platform.dataapi("client") as api:
        row = sample_row(api.pipeline(name).parsed())
    return f"mlplatform predict {name} --row '{json.dumps(row)}'"
