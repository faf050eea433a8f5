"""Files of labels: the columns `request_id`, `row` and `label`, in any format that imports read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from mlplatform.client.dataapi import DataApi
from mlplatform.client.files.inputs import InputFile, plain_stream
from mlplatform.client.files.tables import open_table
from mlplatform.client.importing import OnSent, SentRows
from mlplatform.client.labelling import FIELDS, row_label, send_labels
from mlplatform.client.row_table import plain
from mlplatform.contracts.labels import LabelsResult, RowLabel
from mlplatform.contracts.pipeline import Target
from mlplatform.errors import InvalidInput
from mlplatform.features.cells import CellType, convert
from mlplatform.strict_json import key_count, repeated_keys

Record = tuple[str, dict[str, Any]]
"""Where it stands in its file, and its fields."""
_FIX = "its columns are request_id, row (0 when there is none) and label"


def send_label_file(
    api: DataApi, pipeline: str, file: InputFile, *, on_progress: OnSent
) -> LabelsResult:
    """Send the labels of a file. The same file again changes nothing.

    Raises InvalidInput that names file, record and field where it can't be read; labels before that
    stay. What the data API refuses is counted from the file's first record (0) on.
    """
    target = api.pipeline(pipeline).parsed().target
    return send_labels(
        api,
        file_labels(file, target, pipeline),
        on_sent=lambda sent: on_progress(SentRows(file.name, sent, None)),
    )


def file_labels(file: InputFile, target: Target, pipeline: str) -> Iterator[RowLabel]:
    """The labels in a file, in their order; cells of CSV are read by the target's type."""
    reader = {"csv": _csv, "ndjson": _ndjson}.get(file.kind.format)
    records = _table(file) if reader is None else _text(file, reader, target)
    for where, fields in records:
        unknown = [name for name in fields if name not in FIELDS]
        if unknown:
            raise InvalidInput(
                f"{file.name}, {where}: unknown column", field=str(unknown[0]), fix=_FIX
            )
        given = {name: value for name, value in fields.items() if value is not None}
        yield row_label(given, pipeline, f"{file.name}, {where}")


def _text(file: InputFile, reader: Any, target: Target) -> Iterator[Record]:
    with plain_stream(file) as stream:
        try:
            yield from reader(stream, target)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidInput(f"{file.name} can't be read: {error}", field="FILE") from error
        except ValueError as error:  # it says in which line
            raise InvalidInput(f"{file.name}, {error}", field="FILE") from error


def _csv(stream: BinaryIO, target: Target) -> Iterator[Record]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    empty = target.dtype == "string" and not target.lacks("")  # the empty text is a class
    kinds: dict[str, CellType] = {
        "row": "int64",
        "label": "required text" if empty else target.dtype,
    }
    try:
        reader = csv.reader(text, strict=True)
        header = [name.strip() for name in next(reader, [])]
        for number, cells in enumerate(filter(None, reader), 1):
            if len(cells) != len(header):
                raise ValueError(
                    f"record {number}: it has {len(cells)} fields, the header has {len(header)}"
                )
            named = zip(header, cells, strict=True)
            yield (
                f"record {number}",
                {name: convert(cell, kinds.get(name, "string")) for name, cell in named},
            )
    finally:
        text.detach()  # else the wrapper would close what is its owner's


def _ndjson(stream: BinaryIO, _: Target) -> Iterator[Record]:
    lines = (line for line in stream if line.strip())
    for number, line in enumerate(lines, 1):
        try:
            fields = msgspec.json.decode(line)
            twice = repeated_keys(line, key_count(fields))
        except (msgspec.MsgspecError, InvalidInput) as error:
            raise ValueError(f"record {number}: not JSON: {error}") from error
        if twice or not isinstance(fields, dict):
            raise ValueError(f"record {number}: {twice[0] if twice else 'not an object'}")
        yield f"record {number}", fields


def _table(file: InputFile) -> Iterator[Record]:
    number = 0
    with open_table(file) as table:
        for batch in table.batches:
            for fields in batch.to_pylist():
                number += 1
                yield f"record {number}", {name: plain(value) for name, value in fields.items()}
