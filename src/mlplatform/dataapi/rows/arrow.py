"""An Arrow IPC stream.

It is read through once before its first row counts: a broken stream is refused whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows.record import Record, check_header, row
from mlplatform.errors import InvalidInput

ROWS = 5_000
"""Rows turned into Python objects at once; bounds memory for one batch of millions."""

_TYPES = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_null,
)


def read(body: BinaryIO, definition: PipelineDefinition) -> Iterator[Record]:
    """The records of a stream.

    Raises InvalidInput when it is broken or holds a column that no row can hold.
    """
    start = body.tell()
    _prove(body, definition)
    body.seek(start)
    number = 0
    for batch in pa.ipc.open_stream(body):
        for first in range(0, batch.num_rows, ROWS):
            for values in _plain(batch.slice(first, ROWS)).to_pylist():
                number += 1
                yield row(number, values, str(values))


def _prove(body: BinaryIO, definition: PipelineDefinition) -> None:
    try:
        stream = pa.ipc.open_stream(body)
        _check(stream.schema, definition)
        for batch in stream:
            batch.validate(full=True)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise InvalidInput(f"not a whole Arrow stream: {error}", field="body") from error


def _check(schema: pa.Schema, definition: PipelineDefinition) -> None:
    check_header(schema.names, definition)
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(test(kind) for test in _TYPES):
            raise InvalidInput(
                f"a row can't hold the type {field.type}",
                field=field.name,
                fix="send numbers, texts, booleans or times",
            )


def _plain(batch: pa.RecordBatch) -> Any:
    """The batch with times in microseconds, which is what Python can hold."""
    columns = [
        column.cast(pa.timestamp("us", column.type.tz), safe=False)
        if pa.types.is_timestamp(column.type)
        else column
        for column in batch.columns
    ]
    return pa.record_batch(columns, names=batch.schema.names)
