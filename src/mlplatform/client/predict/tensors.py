"""Rows as a request of the Open Inference Protocol, and its answer as values.

What certainly has the type of its column goes as bytes, which cost least on both sides. Bytes know
no null but NaN. So when a column of other things than broken numbers has one, or holds a value that
may be wrong, the whole request goes as JSON: serving reads that in one pass too, and names row and
column of what it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlplatform.client.row_table import RowTable, Values, plain
from mlplatform.contracts.tensor_bytes import DTYPES, packed, unpacked
from mlplatform.errors import InvalidInput

EXACT = 2**53
"""From here on a float may have been the next whole number, which it can't hold."""
_WHOLE: dict[str, type] = {"INT64": int, "BOOL": bool, "BYTES": str}
_NUMBERS: frozenset[type] = frozenset((int, float, type(None)))
_AS_IS: frozenset[type] = frozenset((str, int, bool, type(None)))


@dataclass(frozen=True)
class TensorBody:
    """A request: `json_bytes` of it are JSON, with tensors behind it; None: all."""

    content: bytes
    json_bytes: int | None


@dataclass(frozen=True)
class TensorAnswer:
    """What serving answered: its id of the request, the version, and outputs by name."""

    request_id: str
    version: str
    outputs: Mapping[str, Values]


def encoded(table: RowTable, datatypes: Mapping[str, str], client_id: str | None) -> TensorBody:
    """The request of these rows, for a model whose columns have these datatypes.

    Further columns go along: the pipeline's key and time are stored, others are refused. Raises
    InvalidInput that names row and column for a value that JSON can't hold.
    """
    blobs = _blobs(table, datatypes)
    parts: list[dict[str, Any]]
    if blobs is not None:
        parts = [{"parameters": {"binary_data_size": len(blob)}} for blob in blobs.values()]
    else:
        parts = [{"data": _listed(name, values)} for name, values in table.columns.items()]
    inputs = [
        {"name": name, "datatype": datatypes.get(name) or _datatype(values), "shape": [table.rows]}
        | part
        for (name, values), part in zip(table.columns.items(), parts, strict=True)
    ]
    given = {} if client_id is None else {"id": client_id}
    head = msgspec.json.encode(
        {"inputs": inputs, "parameters": {"binary_data_output": True}, **given}
    )
    if blobs is None:
        return TensorBody(head, None)
    return TensorBody(b"".join([head, *blobs.values()]), len(head))


def _blobs(table: RowTable, datatypes: Mapping[str, str]) -> dict[str, bytes] | None:
    """The bytes of every column; None when one may not be of its type."""
    if table.columns.keys() != datatypes.keys():
        return None
    found: dict[str, bytes] = {}
    for name, values in table.columns.items():
        typed = _typed(datatypes[name], values)
        if typed is None:
            return None
        found[name] = packed(datatypes[name], typed)
    return found


def _typed(datatype: str, values: Values) -> Values | None:
    """The values as they are packed, or None where that is not certain."""
    if isinstance(values, np.ndarray):
        return _array(datatype, values)
    kinds = set(map(type, values))
    try:
        if datatype == "FP64" and kinds <= _NUMBERS:
            return np.array(values, DTYPES["FP64"])  # None becomes NaN
        if datatype == "INT64" and kinds == {float}:
            return _array(datatype, np.array(values))
        if kinds == {_WHOLE.get(datatype)}:
            return values if datatype == "BYTES" else np.array(values, DTYPES[datatype])
    except OverflowError:
        pass  # serving names the row
    return None


def _array(datatype: str, values: NDArray[Any]) -> NDArray[Any] | None:
    kind = values.dtype.kind
    if datatype == "FP64" and kind in "iuf":
        return values.astype(DTYPES["FP64"], copy=False)
    if datatype == "BOOL" and kind == "b":
        return values
    if datatype != "INT64" or kind == "b":
        return None
    if kind == "f":  # as pandas makes them of whole numbers beside a null
        whole = (values == np.trunc(values)) & (abs(values) < EXACT)
        return values.astype(DTYPES["INT64"]) if whole.all() else None
    fits = kind == "i" or not (values > np.iinfo(np.int64).max).any()
    return values.astype(DTYPES["INT64"], copy=False) if fits else None


def _datatype(values: Values) -> str:
    """Of a column that the model does not have: a key or a time."""
    kinds = {type(plain(value)) for value in values[:100]} - {type(None)}
    if kinds <= {int} and kinds:
        return "INT64"
    return "FP64" if kinds <= {int, float} and kinds else "BYTES"


def _listed(name: str, values: Values) -> list[Any]:
    """A column as JSON holds it. Most are as they are, and need no view of each value."""
    given: list[Any]
    if isinstance(values, np.ndarray):
        given, certain = values.tolist(), bool(np.isfinite(values).all())
    else:
        given, certain = values, set(map(type, values)) <= _AS_IS
    if certain:
        return given
    found: list[Any] = []
    for row, value in enumerate(given):
        held = plain(value)
        if isinstance(held, float) and not math.isfinite(held):
            if held == held:  # noqa: PLR0124  (an infinity; NaN is a null)
                raise InvalidInput(f"{held} is not a number", field=f"{name}[{row}]")
            held = None
        if not isinstance(held, str | int | float | None):
            raise InvalidInput(
                f"a {type(value).__name__} is not a value of a column",
                field=f"{name}[{row}]",
                fix="columns hold numbers, booleans, texts and None",
            )
        found.append(held)
    return found


def decoded(content: bytes, json_bytes: int) -> TensorAnswer:
    """The answer in a response whose JSON has so many bytes, with tensors behind it."""
    head, place = msgspec.json.decode(content[:json_bytes]), json_bytes
    outputs: dict[str, Values] = {}
    for each in head["outputs"]:
        end = place + each["parameters"]["binary_data_size"]
        values = unpacked(each["datatype"], content[place:end], each["name"])
        if isinstance(values, np.ndarray) and len(each["shape"]) > 1:
            values = values.reshape(each["shape"])
        outputs[each["name"]], place = values, end
    return TensorAnswer(head["parameters"]["request_id"], head["model_version"], outputs)
