"""Arrays as rows of PostgreSQL's binary COPY format, without a Python object per row.

Each row is a record of fixed width: the number of its fields, then for each its length and value,
big-endian. A null has no value and a text is as long as it is, so those bytes of the fixed record
that are not there are left out, for all rows at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mlplatform.database.sessions import Connection

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
_EPOCH = np.datetime64("2000-01-01", "us")
_TYPES = {"f": ">f8", "i": ">i8", "b": "i1", "M": ">i8"}
_MOST_BYTES = 8 << 20
"""Of the fixed records at once. One very long text makes all of them that wide."""


def copy(connection: Connection, table: sql.Identifier, columns: Mapping[str, NDArray[Any]]) -> int:
    """COPY arrays of one length into the columns of those names; returns the number of rows.

    float64 (NaN is null), int64, int32, bool, datetime64[us] (UTC), V16 (a UUID), and objects: str,
    or None for null.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, names)
    rows = len(next(iter(columns.values())))
    with connection.cursor() as cursor, cursor.copy(statement) as into:
        into.write(HEAD)
        for part in _encoded(list(columns.values()), rows):
            into.write(part)
        into.write(END)
    return rows


def uuids(texts: Sequence[str]) -> NDArray[Any]:
    """UUIDs of texts; rows of one request follow each other, so most are the one before."""
    known = {text: bytes.fromhex(text.replace("-", "")) for text in set(texts)}
    return np.frombuffer(b"".join([known[text] for text in texts]), dtype="V16")


def _encoded(arrays: Sequence[NDArray[Any]], rows: int) -> list[bytes]:
    widths = [_width(array) for array in arrays]
    each = 2 + sum(4 + width for width in widths)
    most = max(1, _MOST_BYTES // each)
    if rows > most:
        return [
            part
            for first in range(0, rows, most)
            for part in _encoded(
                [array[first : first + most] for array in arrays], min(most, rows - first)
            )
        ]
    return [_records(arrays, widths, rows)] if rows else []


def _width(array: NDArray[Any]) -> int:
    """Most bytes of a value."""
    if array.dtype.kind != "O":
        return array.dtype.itemsize
    # UTF-8 has at most four bytes a character; most texts are ASCII and need one.
    return max((_length(text) for text in set(array.tolist())), default=0)


def _length(text: str | None) -> int:
    if text is None:
        return 0
    return len(text) if text.isascii() else len(text.encode())


def _records(arrays: Sequence[NDArray[Any]], widths: Sequence[int], rows: int) -> bytes:
    fields: list[tuple[str, Any]] = [("count", ">i2")]
    for number, (array, width) in enumerate(zip(arrays, widths, strict=True)):
        fields += [(f"length{number}", ">i4"), (f"value{number}", _field(array, width))]
    made = np.zeros(rows, dtype=fields)
    made["count"] = len(arrays)
    kept: NDArray[Any] | None = None
    for number, (array, width) in enumerate(zip(arrays, widths, strict=True)):
        lengths = _set(made, number, array, width)
        if lengths is None:
            continue
        if kept is None:
            kept = np.ones((rows, made.dtype.itemsize), dtype=np.bool_)
        first = made.dtype.fields[f"value{number}"][1]  # type: ignore[index]  # it has fields
        kept[:, first : first + width] = np.arange(width) < lengths[:, None]
    if kept is None:
        return made.tobytes()
    left: NDArray[np.uint8] = made.view(np.uint8).reshape(rows, made.dtype.itemsize)[kept]
    return left.tobytes()


def _field(array: NDArray[Any], width: int) -> str:
    kind = array.dtype.kind
    if kind == "O":
        return f"S{width}" if width else "V0"
    if kind == "V":
        return f"V{width}"
    return ">i4" if array.dtype == np.int32 else _TYPES[kind]


def _set(
    made: NDArray[Any], number: int, array: NDArray[Any], width: int
) -> NDArray[np.int64] | None:
    """Set lengths and values of a field; returns how many bytes each has if they differ."""
    length, value = made[f"length{number}"], f"value{number}"
    if array.dtype.kind == "O":
        texts = array.tolist()
        known = {text: b"" if text is None else text.encode() for text in set(texts)}
        data = list(map(known.__getitem__, texts))
        lengths = np.fromiter(map(len, data), dtype=np.int64, count=len(data))
        length[:] = lengths
        length[np.fromiter(map(_is_none, texts), dtype=np.bool_, count=len(data))] = -1
        if width:
            made[value] = data
        return lengths
    length[:] = width
    made[value] = array if array.dtype.kind != "M" else (array - _EPOCH).astype(np.int64)
    if array.dtype.kind != "f" or not (missing := np.isnan(array)).any():
        return None
    length[missing] = -1
    return np.where(missing, 0, width)


def _is_none(text: str | None) -> bool:
    return text is None
