"""Generated rows that a definition allows.

features.py is tried on them when it is loaded, and a model before it may serve; `edges` are what an
export is also compared on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Column, Columns, length

UNSEEN = "\u2205 never seen"
"""A text that no history holds."""
_INT64 = (-(2**63), 2**63 - 1)
_MOST = float(np.finfo(np.float64).max)
_BEYOND_FLOAT32 = 1e39
_TEXTS = 8  # allowed values that are edges; the first ones, and the last


@dataclass(frozen=True)
class Edge:
    """The last value of a column that is still allowed, or one that no history need hold.

    `declared` False: only its type ends there.
    """

    column: str
    value: Any  # None: null
    declared: bool = True


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


def edges(columns: Sequence[Column]) -> list[Edge]:
    """Ends of ranges and types, nulls where they are allowed, allowed and unseen texts."""
    found: list[Edge] = []
    for column in columns:
        if column.nullable:
            found.append(Edge(column.name, None))
        if column.dtype == "string":
            allowed = column.values or (UNSEEN, "")
            found += [Edge(column.name, text) for text in (*allowed[: _TEXTS - 1], allowed[-1])]
        elif column.dtype != "bool":
            found += _ends(column)
    return list(dict.fromkeys(found))


def at_edges(base: Columns, some: Sequence[Edge]) -> dict[str, NDArray[Any]]:
    """One row for each edge: the next row of `base`, begun anew at its end, with that one value."""
    rows = np.arange(len(some)) % max(1, length(base))
    table = {name: values[rows] for name, values in base.items()}
    for row, edge in enumerate(some):
        values = table[edge.column]
        values[row] = np.nan if edge.value is None and values.dtype.kind == "f" else edge.value
    return table


def _ends(column: Column) -> Iterator[Edge]:
    whole = column.dtype == "int64"
    limits: tuple[float, float] = _INT64 if whole else (-_MOST, _MOST)
    for end, limit, beyond, inwards in (
        (column.min, limits[0], -_BEYOND_FLOAT32, math.ceil),
        (column.max, limits[1], _BEYOND_FLOAT32, math.floor),
    ):
        if end is None or math.isinf(end):
            yield Edge(column.name, limit, declared=False)
            if not whole:
                yield Edge(column.name, beyond, declared=False)
        elif whole:
            yield Edge(column.name, min(max(inwards(end), limits[0]), limits[1]))
        else:
            yield Edge(column.name, end)


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
    low, high = _range(column)
    value = low + share * (high - low)
    if not math.isfinite(value):  # the range is wider than any number
        value = low * (1 - share) + high * share
    return value if column.dtype == "float64" else _whole(value, low, high)


def _range(column: Column) -> tuple[float, float]:
    low = (
        column.min if column.min is not None else (0.0 if column.max is None else column.max - 1.0)
    )
    return low, column.max if column.max is not None else low + 1.0


def _whole(value: float, low: float, high: float) -> int:
    """The nearest whole number that 64 bits hold; the range decides when it would fall outside."""
    nearest = round(value)
    if nearest < low:
        nearest += 1
    elif nearest > high:
        nearest -= 1
    return min(max(nearest, _INT64[0]), _INT64[1])
