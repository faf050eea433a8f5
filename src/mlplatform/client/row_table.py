"""Rows as people have them, as columns: pandas, polars and Arrow tables, and lists of dicts.

None of those libraries is imported here: whoever hands over a frame has its library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from mlplatform.errors import InvalidInput

Values = NDArray[Any] | list[Any]
"""A column: numbers or booleans as an array (NaN for null), anything else as a list with None."""
_PLAIN = "iufb"


@dataclass(frozen=True)
class RowTable:
    """Columns of equal length, by name."""

    columns: Mapping[str, Values]
    rows: int

    def part(self, first: int, end: int) -> RowTable:
        """The rows from `first` on, before `end`."""
        cut = {name: values[first:end] for name, values in self.columns.items()}
        return RowTable(cut, end - first)


def library_of(rows: Any) -> str:
    """The library that a frame is of: `pandas`, `polars`, `pyarrow`; empty for other things."""
    roots = (kind.__module__.partition(".")[0] for kind in type(rows).__mro__)
    return next((root for root in roots if root in _READERS), "")


def row_table(rows: Any) -> RowTable:
    """The table in a frame of any of those libraries, or in a list of dicts.

    Raises InvalidInput for other things, for two columns of one name, and for rows of a list that
    differ in their keys.
    """
    library = library_of(rows)
    if library:
        names = list(rows.schema.names) if library == "pyarrow" else list(rows.columns)
        _refuse_odd_names(names)
        read = _READERS[library]
        table = {name: read(rows, place) for place, name in enumerate(names)}
        count = rows.num_rows if library == "pyarrow" else len(rows)
    else:
        table, count = _records(rows), len(rows)
    if not count:
        raise InvalidInput("there are no rows", field="rows")
    return RowTable(table, count)


def listed(values: Any) -> list[Any]:
    """The values of a column of any of those libraries, or of any sequence; None for null."""
    library = library_of(values)
    if library == "pandas":
        return list(_pandas(values.to_frame(), 0))
    if library:
        return list(values.to_list() if library == "polars" else values.to_pylist())
    return list(values)


def _refuse_odd_names(names: Sequence[Any]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise InvalidInput(
                f"the name of column {name!r:.40} is not a text",
                field="rows",
                fix="name the columns as in pipeline.yaml",
            )
        if names.count(name) > 1:
            raise InvalidInput("two columns have this name", field=name)


def _pandas(frame: Any, place: int) -> Values:
    series = frame.iloc[:, place]
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in _PLAIN:
        values: NDArray[Any] = series.to_numpy()
        return values
    found, missing = series.astype(object).tolist(), series.isna().tolist()
    return [None if gone else value for value, gone in zip(found, missing, strict=True)]


def _polars(frame: Any, place: int) -> Values:
    series = frame.to_series(place)
    if series.null_count() == 0 and (series.dtype.is_numeric() or str(series.dtype) == "Boolean"):
        values: NDArray[Any] = series.to_numpy()
        if values.dtype.kind in _PLAIN:
            return values
    return list(series.to_list())


def _pyarrow(table: Any, place: int) -> Values:
    column = table.column(place)
    kind = str(column.type)
    if column.null_count == 0 and kind.startswith(("int", "uint", "float", "double", "half")):
        values: NDArray[Any] = np.asarray(column)
        return values
    return list(column.to_pylist())


_READERS = {"pandas": _pandas, "polars": _polars, "pyarrow": _pyarrow}


def _records(rows: Any) -> dict[str, Values]:
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInput(
            f"rows can't be read from {type(rows).__name__}",
            field="rows",
            fix='give a frame of pandas, polars or Arrow, or a list like [{"column": value, …}]',
        )
    names = list(rows[0]) if rows else []
    _refuse_odd_names(names)
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            odd = min(map(str, row.keys() ^ rows[0].keys()))
            which = "lacks it" if odd in rows[0] else "has it, and row 0 does not"
            raise InvalidInput(f"row {number} {which}", field=odd, fix="None stands for a null")
    return {name: [row[name] for row in rows] for name in names}


def plain(value: Any) -> Any:
    """A value of a frame as JSON writes it: texts for times and UUIDs, a number for a decimal."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, UUID) else value
