"""CSV and NDJSON as typed batches, by Arrow's readers. Types are those of the first block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from mlplatform.client.files import extras
from mlplatform.client.files.formats import Format
from mlplatform.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 * 1024 * 1024


class TextRows:
    """Schema and batches of a CSV or NDJSON stream. Close it."""

    rows = None

    def __init__(self, stream: BinaryIO, kind: Format, name: str) -> None:
        """Raises InvalidInput for what has no header or no row."""
        self._pa = extras.arrow(name)
        self._name = name
        try:
            self._reader: Any = _reader(stream, kind)
        except (self._pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{name} can't be read: {error}", field="FILE") from error
        self.schema: pa.Schema = self._reader.schema

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:  # noqa: ARG002
        """All rows, with all columns. Raises InvalidInput for a value of another type."""
        try:
            yield from self._reader
        except (self._pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{self._name} can't be read: {error}", field="FILE") from error

    def close(self) -> None:
        """Close the reader; the stream stays open."""
        self._reader.close()


def _reader(stream: BinaryIO, kind: Format) -> Any:
    # Imported here: they take a while, and imports of rows send text as it is.
    from pyarrow import csv, json  # noqa: PLC0415

    if kind == "csv":
        cells = csv.ParseOptions(newlines_in_values=True)
        # An empty cell of a text column is a null, as the data API reads it.
        nulls = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
        block = csv.ReadOptions(block_size=BLOCK_BYTES)
        return csv.open_csv(stream, block, cells, nulls)
    return json.open_json(stream, json.ReadOptions(block_size=BLOCK_BYTES))
