"""Rows that a definition allows: generated ones, and how known ones are varied.

features.py is tried on them when it is loaded, and a model before it may serve; `edges` are what an
export is also compared on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Column, Columns, length
from mlplatform.contracts.patterns import matcher
from mlplatform.errors import InvalidInput

UNSEEN = "\u2205 never seen"
"""A text that no history holds."""
_INT64 = (-(2**63), 2**63 - 1)
_MOST = float(np.finfo(np.float64).max)
_BEYOND_FLOAT32 = 1e39
GIVE_EXAMPLES = "give columns an `example:` (a value, or a list) in pipeline.yaml"
_MOST_GUESSED = 50  # columns: each costs a call
_TEXTS = 8  # allowed values that are edges; the first ones, and the last


@dataclass(frozen=True)
class Edge:
    """The last value of a column that is still allowed, or one that no history need hold.

    `declared` False: only its type ends there.
    """

    column: str
    value: Any  # None: null
    declared: bool = True


@dataclass(frozen=True)
class Probes:
    """Tables with rows that features.py has answered; from the rows of the first, others are drawn.

    `known`: they are rows of the history, since generated ones were refused. `tables` is empty when
    nothing is known of a column, and nothing asked features.py.
    """

    tables: tuple[Columns, ...] = ()
    known: bool = False

    @property
    def rows(self) -> Columns:
        """The first table. Raises InvalidInput when there is none."""
        if not self.tables:
            raise InvalidInput("there is no row to try this model on", fix=GIVE_EXAMPLES)
        return self.tables[0]


def probes(columns: Sequence[Column]) -> Iterator[Columns]:
    """Tables of two rows, one row and none, with examples, or values inside the declared ranges.

    Where nulls are allowed there is one more table with them. Raises InvalidInput for a column of
    which nothing is known.
    """
    low = {column.name: _value(column, 0.25) for column in columns}
    high = {column.name: _value(column, 0.75) for column in columns}
    both = _table(columns, [low, high])
    yield both
    yield _table(columns, [high])
    yield _table(columns, [])
    yield from _with_nulls(columns, both)


def around(columns: Sequence[Column], rows: Columns) -> Iterator[Columns]:
    """The same tables of known rows."""
    yield rows
    yield {name: values[:1] for name, values in rows.items()}
    yield {name: values[:0] for name, values in rows.items()}
    yield from _with_nulls(columns, rows)


def guesses(columns: Sequence[Column], rows: Columns) -> Iterator[Columns]:
    """What the declarations also allow: any other text, one column after the other; other numbers.

    features.py may refuse such rows, as a text may have to be a date. Where it doesn't, the model
    gets them.
    """
    free = [column for column in columns if column.dtype == "string" and column.values is None]
    for column in free[:_MOST_GUESSED]:
        texts = _guessed(column)
        if texts and not set(texts) & set(rows[column.name].tolist()):
            table = {name: values.copy() for name, values in rows.items()}
            table[column.name][:] = [texts[at % len(texts)] for at in range(length(rows))]
            yield table
    plain = [column.model_copy(update={"example": None}) for column in columns]
    if any(column.example for column in columns):
        with suppress(InvalidInput):  # nothing is known of a column but its examples
            yield next(probes(plain))


def edges(columns: Sequence[Column]) -> list[Edge]:
    """Ends of ranges and types, nulls where they are allowed, allowed and unseen texts."""
    found: list[Edge] = []
    for column in columns:
        if column.nullable:
            found.append(Edge(column.name, None))
        if column.dtype == "string":
            allowed = column.values or tuple(_fitting(column, (UNSEEN, "")))
            found += [Edge(column.name, text) for text in (*allowed[: _TEXTS - 1], *allowed[-1:])]
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
    """A value at this share of what the column is declared to hold.

    A modest one where nothing is declared. Raises InvalidInput where it would be sure to be wrong.
    """
    if column.example:
        return column.example[int(share * len(column.example))]
    if column.dtype == "string":
        values = column.values or _guessed(column)
        if not values:
            raise InvalidInput(
                f"column {column.name} has a pattern, and no text is known that matches it",
                field=column.name,
                fix=f"give '{column.name}' an `example:`",
            )
        return values[int(share * len(values))]
    if column.dtype == "bool":
        return share > 0.5
    low, high = _range(column)
    value = low + share * (high - low)
    if not math.isfinite(value):  # the range is wider than any number
        value = low * (1 - share) + high * share
    return value if column.dtype == "float64" else _whole(value, low, high)


def _guessed(column: Column) -> tuple[str, ...]:
    """Texts that a column may hold as far as its declaration says."""
    return tuple(_fitting(column, ("a", "b")))


def _fitting(column: Column, texts: Sequence[str]) -> Iterator[str]:
    return (text for text in texts if column.pattern is None or matcher(column.pattern)(text))


def _with_nulls(columns: Sequence[Column], rows: Columns) -> Iterator[Columns]:
    """The rows, in the first of which everything is null that may be."""
    nullable = [column.name for column in columns if column.nullable]
    if nullable and length(rows):
        table = {name: values.copy() for name, values in rows.items()}
        for name in nullable:
            table[name][0] = np.nan if table[name].dtype.kind == "f" else None
        yield table


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
