"""Lists of JSON values to typed columns.

Strict: a bool is not a number, a string is not a number, a number is not a string. Each column is
converted whole; only when that can't be right are its values checked one by one, to name the row.
Used for every request, so it imports NumPy and nothing heavier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Column, Columns, DType
from mlplatform.errors import InvalidInput
from mlplatform.features.fault import Fault, shown

INT64 = 2**63
EXACT = 2**53
"""Above this a float no longer tells neighbouring whole numbers apart."""
_FEW = 16
"""Up to here Python checks numbers faster than NumPy does: most requests have few rows."""
_PLACEHOLDER: dict[DType, Any] = {"float64": np.nan, "int64": 0, "string": None, "bool": False}
_NUMBER_KINDS: dict[DType, str] = {"float64": "fiu", "int64": "iu", "bool": "b", "string": ""}


def to_columns(
    inputs: Mapping[str, Sequence[Any]], columns: Sequence[Column]
) -> tuple[Columns, list[Fault]]:
    """Typed columns in the declared order, and every value that does not fit.

    A value is a list item or an element of a 1-D array. None, and NaN in a number column, is a
    null: NaN or None in the result, a fault where the column allows none. Infinities, NUL
    characters and lone surrogates (which Postgres can't store) are faults. A row with a fault holds
    a placeholder there and must not be used. Raises InvalidInput for missing or unknown columns and
    for unequal lengths.
    """
    _same_names(inputs, columns)
    _same_lengths(inputs)
    typed: dict[str, NDArray[Any]] = {}
    faults: list[Fault] = []
    for column in columns:
        values = inputs[column.name]
        whole = _whole(values, column)
        typed[column.name] = _one_by_one(values, column, faults) if whole is None else whole
    return typed, faults


def _same_names(inputs: Mapping[str, Sequence[Any]], columns: Sequence[Column]) -> None:
    declared = {column.name for column in columns}
    if inputs.keys() == declared:
        return
    missing = [column.name for column in columns if column.name not in inputs]
    if missing:
        raise InvalidInput(f"missing column {', '.join(missing)}", field=missing[0])
    unknown = sorted(set(inputs) - declared)
    raise InvalidInput(
        f"unknown column {', '.join(unknown)}",
        field=unknown[0],
        fix=f"columns are {', '.join(sorted(declared))}",
    )


def _same_lengths(inputs: Mapping[str, Sequence[Any]]) -> None:
    rows = len(next(iter(inputs.values())))
    for name, values in inputs.items():
        if len(values) != rows:
            raise InvalidInput(
                f"column {name} has {len(values)} values, the first column has {rows}", field=name
            )


def _whole(values: Sequence[Any], column: Column) -> NDArray[Any] | None:
    """The column converted at once, or None when its values must be checked one by one."""
    if isinstance(values, np.ndarray):
        return _from_array(values, column)
    kinds = set(map(type, values))
    if column.nullable and column.dtype in ("float64", "string"):
        kinds.discard(type(None))
    if not kinds <= _PLAIN[column.dtype]:
        return None
    try:
        if column.dtype == "float64" and len(values) <= _FEW and None not in values:
            # NumPy's own test costs 2 us a column.
            return np.array(values, dtype=np.float64) if all(map(math.isfinite, values)) else None
        array = np.array(values, dtype=NUMPY[column.dtype])
    except OverflowError:
        return None
    return array if _clean(array, column) else None


_PLAIN: dict[DType, frozenset[type]] = {
    "float64": frozenset({float, int}),
    "int64": frozenset({int}),
    "string": frozenset({str}),
    "bool": frozenset({bool}),
}


def _from_array(values: NDArray[Any], column: Column) -> NDArray[Any] | None:
    """The array converted at once, or None when its type doesn't fit the column's.

    A uint64 may be too large for an int64, so its values are checked one by one.
    """
    if (
        values.ndim != 1
        or values.dtype.kind not in _NUMBER_KINDS[column.dtype]
        or (column.dtype == "int64" and values.dtype == np.uint64)
    ):
        return None
    array = values.astype(NUMPY[column.dtype])  # a copy: the caller's buffer may be a network frame
    return array if _clean(array, column) else None


def _clean(array: NDArray[Any], column: Column) -> bool:
    if column.dtype == "float64":
        return not (np.isinf(array).any() if column.nullable else not np.isfinite(array).all())
    if column.dtype == "string":
        return storable("".join(filter(None, array.tolist())))
    return True


def storable(text: str) -> bool:
    """Postgres stores neither NUL nor halves of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()  # UTF-8 has everything but halves of a pair
    except UnicodeEncodeError:
        return False
    return True


def _one_by_one(values: Sequence[Any], column: Column, faults: list[Fault]) -> NDArray[Any]:
    converted = []
    for row, raw in enumerate(values):
        value = raw.item() if isinstance(raw, np.generic) else raw
        if value is None or (
            column.dtype == "float64" and isinstance(value, float) and math.isnan(value)
        ):
            converted.append(_PLACEHOLDER[column.dtype])
            if not column.nullable:
                faults.append(
                    Fault(row, column.name, "is null, and the column allows no nulls", None)
                )
            continue
        good, reason = _CONVERT[column.dtype](value)
        converted.append(_PLACEHOLDER[column.dtype] if reason else good)
        if reason:
            faults.append(Fault(row, column.name, f"{shown(value)} {reason}", value))
    array = np.empty(len(converted), dtype=NUMPY[column.dtype])
    array[:] = converted
    return array


def _number(value: Any) -> tuple[float, str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0, f"is a {_kind(value)}, not a number"
    try:
        number = float(value)
    except OverflowError:
        return 0.0, "is too large"
    return number, "" if math.isfinite(number) else "is infinite"


def _whole_number(value: Any) -> tuple[int, str]:
    """Whole floats pass below 2**53: clients that know only floats send 3 as 3.0.

    At 2**53 a float may stand for the next whole number, which it can't hold.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0, f"is a {_kind(value)}, not a whole number"
    if isinstance(value, float) and not (value.is_integer() and abs(value) < EXACT):
        return 0, "is not a whole number"
    return (int(value), "") if -INT64 <= value < INT64 else (0, "is too large for 64 bits")


def _string(value: Any) -> tuple[str, str]:
    if not isinstance(value, str):
        return "", f"is a {_kind(value)}, not a string"
    return str(value), "" if storable(value) else "holds a NUL character or half a surrogate pair"


def _flag(value: Any) -> tuple[bool, str]:
    return (
        (value, "")
        if isinstance(value, bool)
        else (False, f"is a {_kind(value)}, not true or false")
    )


_CONVERT: dict[DType, Callable[[Any], tuple[Any, str]]] = {
    "float64": _number,
    "int64": _whole_number,
    "string": _string,
    "bool": _flag,
}


def _kind(value: Any) -> str:
    names = {
        bool: "bool",
        str: "string",
        int: "number",
        float: "number",
        list: "list",
        dict: "object",
    }
    return names.get(type(value), type(value).__name__)
