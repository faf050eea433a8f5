"""Rows to predict, from the command line or a file."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from mlplatform.cli.connection import Platform
from mlplatform.cli.lazy import later
from mlplatform.client.files.formats import ENDINGS
from mlplatform.client.files.inputs import InputFile, input_file, plain_stream
from mlplatform.client.files.pieces import open_pieces
from mlplatform.client.pipelines import sample_row
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows import csv
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
    definition = _definition(platform, name)
    rows = rows_in(file, definition)
    # A file may be labelled; what is to be predicted must not be sent.
    target = definition.target.name
    return [{key: value for key, value in row.items() if key != target} for row in rows]


def rows_in(file: Path, definition: PipelineDefinition) -> list[Row]:
    """All rows of a file, as an import reads them. Raises InvalidInput, SettingsError."""
    name, kind = file.name.lower(), None
    if any(name.endswith((ending, f"{ending}.gz", f"{ending}.zst")) for ending in ENDINGS):
        kind = input_file(file)
    if kind is None:
        return from_json(_text(_read(file), file), str(file))
    if kind.kind.format in ("arrow", "parquet"):
        return _from_table(kind, definition)
    with plain_stream(kind) as stream:
        body = stream.read()
    if kind.kind.format == "csv":
        return from_csv(body, definition, str(file))
    return from_json(_text(body, file), str(file))


def _from_table(file: InputFile, definition: PipelineDefinition) -> list[Row]:
    """The rows of a Parquet or Arrow file, as the data API reads them."""
    rows: list[Row] = []
    with open_pieces(file) as pieces:
        reader = later("dataapi.rows.arrow")  # needs pyarrow, which not every installation has
        for body in pieces.bodies:
            before = len(rows)
            for record in reader.read(io.BytesIO(body), definition):
                if record.reason:
                    where = f"row {before + record.number}, column {record.column}"
                    raise InvalidInput(f"{where}: {record.reason}", field=file.name)
                rows.append({name: each[0] for name, each in json.loads(record.inputs).items()})
    if not rows:
        raise InvalidInput("it holds no rows", field=file.name)
    return rows


def from_csv(body: bytes, definition: PipelineDefinition, where: str) -> list[Row]:
    """The rows of a CSV body, as the data API reads it: by the declared columns.

    Raises InvalidInput that names the line of the first record that is no row.
    """
    rows = []
    for record in csv.read(io.BytesIO(body), definition):
        if record.reason:
            column = f", column {record.column}" if record.column else ""
            raise InvalidInput(f"line {record.line}{column}: {record.reason}", field=where)
        rows.append({name: values[0] for name, values in json.loads(record.inputs).items()})
    if not rows:
        raise InvalidInput("no rows below the header", field=where)
    return rows


def from_json(text: str, where: str) -> list[Row]:
    """A row, a list of rows, or a row a line. Raises InvalidInput for anything else."""
    try:
        found = _json(text)
    except ValueError as whole:
        try:
            # Not splitlines: a text may hold U+2028.
            found = [_json(line) for line in text.split("\n") if line.strip()]
        except ValueError:
            raise InvalidInput(f"not JSON: {whole}", field=where) from whole
    rows = found if isinstance(found, list) else [found]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput("not rows", field=where, fix='a row is an object: {"column": value, …}')
    return rows


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)


def _object(pairs: list[tuple[str, Any]]) -> Row:
    found: Row = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key '{name}' is there twice")
        found[name] = value
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number that JSON knows; write null")


def _read(path: Path) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"can't read {path}: {error}", field="FILE") from error


def _text(body: bytes, path: Path) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"can't read {path}: {error}", field="FILE") from error


def _definition(platform: Platform, name: str) -> PipelineDefinition:
    with platform.dataapi("client") as api:
        return api.pipeline(name).parsed()


def _example(platform: Platform, name: str) -> str:
    row = sample_row(_definition(platform, name))
    return f"mlplatform predict {name} --row '{json.dumps(row)}'"
