"""SHA-256 over the content of a table, the same whatever the borders of its batches.

Per column three running hashes: values, lengths (strings only), null marks (a byte per row). The
whole hashes column names, types and those digests in order. Nulls count as zero or empty, so the
bytes under a null don't matter.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class _ColumnHash:
    def __init__(self, field: pa.Field) -> None:
        self._title = f"{field.name}\0{field.type}\0".encode()
        self._parts = tuple(hashlib.sha256() for _ in range(3))
        self._text = any(
            test(field.type)
            for test in (
                pa.types.is_string,
                pa.types.is_large_string,
                pa.types.is_binary,
                pa.types.is_large_binary,
            )
        )

    def update(self, array: Any) -> None:
        values, lengths, nulls = self._parts
        nulls.update(np.ascontiguousarray(array.is_null()).tobytes())
        if not self._text:
            values.update(
                np.ascontiguousarray(
                    pc.fill_null(array, False if pa.types.is_boolean(array.type) else 0)
                ).tobytes()
            )
            return
        filled = pc.fill_null(array.cast(pa.large_binary()), b"")
        lengths.update(np.ascontiguousarray(pc.binary_length(filled), dtype=np.int64).tobytes())
        values.update(_text_bytes(filled))

    def digest(self) -> bytes:
        return self._title + b"".join(part.digest() for part in self._parts)


class ContentHash:
    """Feed record batches of one schema with `update`; read `hexdigest` at the end.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self._columns: list[_ColumnHash] = []
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of one batch. An empty one adds nothing, wherever it stands."""
        if not batch.num_rows:
            return
        if not self._columns:
            self._columns = [_ColumnHash(field) for field in batch.schema]
        for column, array in zip(self._columns, batch.columns, strict=True):
            column.update(array)
        self.rows += batch.num_rows

    def hexdigest(self) -> str:
        """Hex SHA-256 of all rows so far."""
        return hashlib.sha256(b"".join(column.digest() for column in self._columns)).hexdigest()


def _text_bytes(array: Any) -> memoryview:
    """The characters of a large_binary array without nulls, back to back, uncopied."""
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return memoryview(b"")
    borders = np.frombuffer(offsets, dtype=np.int64)
    return memoryview(data)[borders[array.offset] : borders[array.offset + len(array)]]
