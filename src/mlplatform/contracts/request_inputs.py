"""The inputs of a recorded request, in the forms in which clients send them, and as columns.

A record keeps its inputs in one of three forms, so that nothing has to be converted while a client
waits; whoever reads records sees columns only.

    {"rows": [{"age": 52, "bmi": 31.5}, …]}
    {"columns": {"age": [52, …], "bmi": [31.5, …]}}
    {"tensors": [{"names": ["bmi", "glucose"], "values": [31.5, 90.0, …]},
                 {"names": ["age"], "dtype": "int64", "data": "<base64>"}, …]}

A tensor holds its columns row by row: as JSON values, flat or one list per row, or as the bytes of
a little-endian array.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlplatform.errors import InvalidInput

Inputs = dict[str, list[Any]]
"""Column name -> one value per row: a string, a number, true, false or null."""
_SCALARS = frozenset({str, int, float, bool, type(None)})
_DTYPES = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_MAY_LACK = 2
"""Key and time: a row may leave them out. What lacks more was never accepted, and a few small rows
of it could stand for very many nulls."""


class Tensor(msgspec.Struct, frozen=True):
    """Columns of one type, row by row, in `values` or as `data` of `dtype`."""

    names: tuple[str, ...]
    values: list[Any] | None = None
    dtype: str = ""
    data: bytes = b""


class RecordedInputs(msgspec.Struct, frozen=True):
    """Exactly one of the forms."""

    rows: list[dict[str, Any]] | None = None
    columns: Inputs | None = None
    tensors: list[Tensor] | None = None


_decoder = msgspec.json.Decoder(RecordedInputs)


def columns_form(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """The inputs as columns. NaN becomes null."""
    return msgspec.json.encode({"columns": columns})


def tensors_form(tensors: Iterable[tuple[Sequence[str], NDArray[Any] | bytes]]) -> bytes:
    """The inputs as tensors: names of columns, and a numeric array or the JSON list of values."""
    found = [
        {"names": names, "values": msgspec.Raw(values)}
        if isinstance(values, bytes)
        else {"names": names, "dtype": values.dtype.name, "data": _packed(values)}
        for names, values in tensors
    ]
    return msgspec.json.encode({"tensors": found})


def shortened(form: bytes, rows: int) -> bytes:
    """Recorded inputs as columns, in which each name stands once and nothing is blank."""
    return columns_form(columns_of(_decoder.decode(form), rows))


def columns_without(form: bytes, rows: int, dropped: Collection[str]) -> Inputs:
    """Recorded inputs as columns of `rows` values, without some of them. Raises InvalidInput."""
    found = _decoder.decode(form)
    if found.rows is not None:
        # Of the rows first: each may have or lack a column that is none of the model's.
        kept = [{name: row[name] for name in row if name not in dropped} for row in found.rows]
        found = RecordedInputs(rows=kept)
    columns = columns_of(found, rows)
    return {name: values for name, values in columns.items() if name not in dropped}


def columns_of(inputs: RecordedInputs, rows: int) -> Inputs:
    """The inputs as columns of `rows` values. Raises InvalidInput where they can't be that."""
    if rows == 1 and (columns := _of_one_row(inputs)) is not None:
        return columns
    forms = (inputs.rows, inputs.columns, inputs.tensors)
    if sum(form is not None for form in forms) != 1:
        raise InvalidInput("must be exactly one of rows, columns and tensors", field="body")
    columns = inputs.columns or {}
    if inputs.rows is not None:
        columns = _of_rows(inputs.rows)
    for tensor in inputs.tensors or ():
        columns = _with(columns, tensor, rows)
    return {name: _sound(name, values, rows) for name, values in columns.items()}


def _of_one_row(inputs: RecordedInputs) -> Inputs | None:
    """Most requests are this: no column needs a look of its own. None for any other, or unsound."""
    found = inputs.rows
    if found is None or len(found) != 1 or inputs.columns is not None or inputs.tensors is not None:
        return None
    (row,) = found
    if not _SCALARS.issuperset(map(type, row.values())):
        return None
    return {name: [value] for name, value in row.items()}


def _of_rows(rows: list[dict[str, Any]]) -> Inputs:
    names = list(rows[0]) if rows else []
    try:
        if all(len(row) == len(names) for row in rows):
            return {name: [row[name] for row in rows] for name in names}
    except KeyError:  # another key in its place
        pass
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    if len(names) * len(rows) - sum(map(len, rows)) > _MAY_LACK * len(rows):
        raise InvalidInput("rows differ in their columns", field="body.rows")
    return {name: [row.get(name) for row in rows] for name in names}


def _with(columns: Inputs, tensor: Tensor, rows: int) -> Inputs:
    """The columns and those of a tensor."""
    names, width = tensor.names, len(tensor.names)
    values = _unpacked(tensor) if tensor.values is None else tensor.values
    if values and all(type(value) is list for value in values):
        values = list(chain.from_iterable(values))
    if len(values) != rows * width:
        raise InvalidInput(
            f"a tensor of {width} columns and {rows} rows has {len(values)} values",
            field="body.tensors",
        )
    more = {name: values[place::width] for place, name in enumerate(names)}
    if len(more) < width or not more.keys().isdisjoint(columns):
        raise InvalidInput("a column is there twice", field="body.tensors")
    return {**columns, **more}


def _packed(array: NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _unpacked(tensor: Tensor) -> list[Any]:
    if tensor.dtype not in _DTYPES:
        raise InvalidInput(f"unknown dtype {tensor.dtype:.40}", field="body.tensors")
    kind = np.dtype(tensor.dtype).newbyteorder("<")
    if len(tensor.data) % kind.itemsize:
        raise InvalidInput(
            f"{len(tensor.data)} bytes are no array of {tensor.dtype}", field="body.tensors"
        )
    values: list[Any] = np.frombuffer(tensor.data, kind).tolist()
    if kind.kind == "f":
        return [None if value != value else value for value in values]  # noqa: PLR0124  (NaN)
    return values


def _sound(name: str, values: list[Any], rows: int) -> list[Any]:
    if len(values) != rows:
        raise InvalidInput(f"column {name} has {len(values)} values for {rows} rows", field="body")
    if not _SCALARS.issuperset(map(type, values)):
        raise InvalidInput(f"column {name} holds lists or objects", field="body")
    return values
