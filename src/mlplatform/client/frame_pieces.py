"""Rows in memory in pieces that the data API takes, cut in the same way each time."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from mlplatform.client.files import columns, extras
from mlplatform.client.files.pieces import ARROW, NDJSON, PIECE_BYTES, Pieces, arrow_pieces
from mlplatform.client.files.text_pieces import ndjson_pieces
from mlplatform.client.row_table import library_of, plain
from mlplatform.errors import InvalidInput

FRAME = "the frame"


def frame_pieces(rows: Any, *, without: Sequence[str] = ()) -> Pieces:
    """The pieces of a frame of pandas, polars or Arrow, or of a list of dicts, `without` columns.

    Frames become Arrow streams, for which pyarrow is needed; a list becomes NDJSON. Raises
    InvalidInput for what can't be written so, SettingsError without pyarrow.
    """
    library = library_of(rows)
    if not library:
        return _lines(rows, without)
    pa = extras.arrow(FRAME)
    try:
        if library == "pandas":
            table = pa.Table.from_pandas(rows, preserve_index=False)
        else:
            table = pa.table(rows.to_arrow() if library == "polars" else rows)
    except (pa.ArrowException, TypeError) as error:
        raise InvalidInput(
            f"{FRAME} can't become an Arrow table: {error}",
            field="rows",
            fix="a column holds values of one type, and None or NaN for a null",
        ) from error
    names = columns.kept(table.schema.names, without, FRAME)
    batches = [columns.plain(batch, names) for batch in table.combine_chunks().to_batches()]
    schema = columns.plain_schema(table.schema, names)
    return Pieces(ARROW, arrow_pieces(schema, iter(batches)), table.num_rows)


def _lines(rows: Any, without: Sequence[str]) -> Pieces:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(
            f"rows can't be read from {type(rows).__name__}",
            field="rows",
            fix='give a file, a frame, or a list like [{"column": value, …}]',
        )
    body = io.BytesIO()
    for number, row in enumerate(rows):
        try:
            kept = {name: _finite(value) for name, value in row.items() if name not in without}
            body.write(_lines_encoder.encode(kept) + b"\n")
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"row {number}: {error}", field="rows") from error
    body.seek(0)
    return Pieces(NDJSON, ndjson_pieces(body, PIECE_BYTES), len(rows))


def _finite(value: Any) -> Any:
    """The value; JSON would write an infinity as a null."""
    if isinstance(value, float) and math.isinf(value):
        raise ValueError(f"{value} is not a number")
    return value


def _other(value: Any) -> Any:
    found = _finite(plain(value))
    if found is value:
        raise TypeError(f"a {type(value).__name__} is not a value of a column")
    return found


_lines_encoder = msgspec.json.Encoder(enc_hook=_other, decimal_format="number")
