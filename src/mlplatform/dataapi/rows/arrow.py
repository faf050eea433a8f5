"""An Arrow IPC stream or file.

It is read through once before its first row counts: a broken one is refused whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from mlplatform.contracts.naming import as_declared, fields
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows.arrow_values import plain_columns, readable
from mlplatform.dataapi.rows.chunk import CHUNK, Chunk, Records, Rows
from mlplatform.dataapi.rows.record import Record, check_header, row
from mlplatform.errors import InvalidInput

_FILE = b"ARROW1"
"""How the file format begins; a stream never does."""

_TYPES = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_null,
)


def read(body: BinaryIO, definition: PipelineDefinition) -> Iterator[Record]:
    """The records of a stream or file.

    Raises InvalidInput when it is broken or holds a column that no row can hold.
    """
    number = 0
    for part in _parts(body, definition):
        for record in _records(part, number):
            number = record.number
            yield record


def chunks(body: BinaryIO, definition: PipelineDefinition) -> Iterator[Chunk]:
    """The same records in chunks, as columns where all rows of a chunk can be kept."""
    number = 0
    for part in _parts(body, definition):
        columns = plain_columns(part)
        chunk: Chunk = (
            Records(list(_records(part, number))) if columns is None else Rows(number + 1, columns)
        )
        number = chunk.last
        yield chunk


def _parts(body: BinaryIO, definition: PipelineDefinition) -> Iterator[pa.RecordBatch]:
    """Batches of at most CHUNK rows, and at least one, with the declared names."""
    start = body.tell()
    _prove(body, definition)
    body.seek(start)
    declared = fields(definition)
    for batch in _open(body)[1]:
        named = batch.rename_columns(as_declared(batch.schema.names, declared))
        for first in range(0, batch.num_rows, CHUNK):
            yield named.slice(first, CHUNK)


def _records(batch: pa.RecordBatch, number: int) -> Iterator[Record]:
    values, faults = readable(batch)
    for index, each in enumerate(values):
        number += 1
        if index in faults:
            column, reason = faults[index]
            yield Record(number, reason=reason, column=column, text=str(each))
        else:
            yield row(number, each, str(each))


def _open(body: BinaryIO) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    start = body.tell()
    kind = body.read(len(_FILE))
    body.seek(start)
    if kind != _FILE:
        stream = pa.ipc.open_stream(body)
        return stream.schema, iter(stream)
    file = pa.ipc.open_file(body)
    return file.schema, (file.get_batch(index) for index in range(file.num_record_batches))


def _prove(body: BinaryIO, definition: PipelineDefinition) -> None:
    try:
        schema, batches = _open(body)
        _check(schema, definition)
        for batch in batches:
            batch.validate(full=True)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise InvalidInput(f"not a whole Arrow stream or file: {error}", field="body") from error


def _check(schema: pa.Schema, definition: PipelineDefinition) -> None:
    check_header(as_declared(schema.names, fields(definition)), definition)
    for field in schema:
        kind = _value_type(field.type)
        if not any(test(kind) for test in _TYPES):
            raise InvalidInput(
                f"a row can't hold the type {field.type}",
                field=field.name,
                fix="send numbers, texts, booleans or times, or leave the column out "
                "(`mlplatform import --without` does)",
            )


def _value_type(kind: Any) -> Any:
    """The type of single values: that of a dictionary's."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind
