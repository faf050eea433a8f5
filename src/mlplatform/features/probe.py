"""Generated rows that a definition allows: features.py is tried on them when it is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Column, Columns


def probes(columns: Sequence[Column]) -> Iterator[Columns]:
    """Tables of two rows, one row and none, with values inside the declared ranges.

    Where nulls are allowed there is one more table with them.
    """
    low = {column.name: _value(column, 0.25) for column in columns}
    high = {column.name: _value(column, 0.75) for column in columns}
    yield _table(columns, [low, high])
    yield _table(columns, [high])
    yield _table(columns, [])
    nullable = {column.name: None for column in columns if column.nullable}
    if nullable:
        yield _table(columns, [low | nullable, high])


def _table(columns: Sequence[Column], rows: list[dict[str, Any]]) -> Columns:
    table: dict[str, NDArray[Any]] = {}
    for column in columns:
        array = np.empty(len(rows), dtype=NUMPY[column.dtype])
        array[:] = [
            np.nan if row[column.name] is None and column.dtype == "float64" else row[column.name]
            for row in rows
        ]
        table[column.name] = array
    return table


def _value(column: Column, share: float) -> Any:
    """A value at this share of the declared range, or of a modest one where none is declared."""
    if column.dtype == "string":
        values = column.values or ("a", "b")
        return values[int(share * len(values))]
    if column.dtype == "bool":
        return share > 0.5
    low = (
        column.min if column.min is not None else (0.0 if column.max is None else column.max - 1.0)
    )
    high = column.max if column.max is not None else low + 1.0
    value = low + share * (high - low)
    return value if column.dtype == "float64" else _whole(value, low, high)


def _whole(value: float, low: float, high: float) -> int:
    """The nearest whole number; the range decides when it would fall outside."""
    nearest = round(value)
    if nearest < low:
        return nearest + 1
    return nearest - 1 if nearest > high else nearest
