"""The rows of a file in pieces that the data API takes, cut in the same way each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlplatform.client.files import extras
from mlplatform.client.files.inputs import InputFile, plain_stream
from mlplatform.client.files.tables import open_table
from mlplatform.client.files.text_pieces import csv_pieces, ndjson_pieces
from mlplatform.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_BYTES = 8 * 1024 * 1024
"""Far below the server's limit; whoever waits hears of the progress every second or so."""
PIECE_ROWS = 20_000
"""Rows of a piece of Arrow, which holds many more of them in its bytes than a text does. The server
takes a second or two for so many."""
CSV, NDJSON = "text/csv", "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class Pieces:
    """Bodies of one content type, and how many rows are in all of them, where that is known."""

    media: str
    bodies: Iterator[bytes]
    rows: int | None = None


@contextmanager
def open_pieces(file: InputFile, *, without: Sequence[str] = ()) -> Iterator[Pieces]:
    """The pieces of a file, `without` some columns of Parquet or Arrow.

    Text stays as it is; Parquet and Arrow become Arrow streams. Opening and reading raise what
    `open_table` raises.
    """
    kind = file.kind.format
    if kind in ("parquet", "arrow"):
        with open_table(file, without=without) as table:
            yield Pieces(ARROW, arrow_pieces(table.schema, table.batches), table.rows)
        return
    if without:
        raise InvalidInput(
            "columns can be left out of Parquet and Arrow only",
            field="--without",
            fix=f"leave it away: of {file.name} columns that the pipeline lacks are not used",
        )
    with plain_stream(file) as stream:
        if kind == "csv":
            yield Pieces(CSV, csv_pieces(stream, PIECE_BYTES))
        else:
            yield Pieces(NDJSON, ndjson_pieces(stream, PIECE_BYTES))


def arrow_pieces(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """Arrow streams of these batches, joined and cut as the bounds of a piece allow.

    A single row above `PIECE_BYTES` is a piece of its own. One piece without rows when there are
    none: the data API is to see the columns.
    """
    held: list[Any] = []
    size = rows = pieces = 0
    for part in (part for batch in batches for part in _bounded(batch)):
        if held and (size + part.nbytes > PIECE_BYTES or rows + part.num_rows > PIECE_ROWS):
            yield _stream(schema, held)
            held, size, rows, pieces = [], 0, 0, pieces + 1
        held.append(part)
        size, rows = size + part.nbytes, rows + part.num_rows
    if held or not pieces:
        yield _stream(schema, held)


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = batch.num_rows
    if rows <= 1 or (rows <= PIECE_ROWS and batch.nbytes <= PIECE_BYTES):
        yield batch
        return
    yield from _bounded(batch.slice(0, rows // 2))
    yield from _bounded(batch.slice(rows // 2))


def _stream(schema: pa.Schema, batches: list[Any]) -> bytes:
    pa = extras.arrow("the table")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body
