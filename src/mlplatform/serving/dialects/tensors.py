"""Tensor datatypes of the Open Inference Protocol, and the types of our columns that hold them."""

from __future__ import annotations

from typing import Any

import msgspec

from mlplatform.contracts.columns import Column, DType
from mlplatform.serving.dialects.json_types import json_type

_FLOATS = ("FP64", "FP32", "FP16")
_INTEGERS = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
NATURAL: dict[str, DType] = {
    **dict.fromkeys(_FLOATS, "float64"),
    **dict.fromkeys(_INTEGERS, "int64"),
    "BOOL": "bool",
    "BYTES": "string",
}
"""Tensor datatype -> the column type that holds its values.

The JSON form of a narrower number is just a number.
"""
DATATYPES: dict[DType, str] = {
    "float64": "FP64",
    "int64": "INT64",
    "bool": "BOOL",
    "string": "BYTES",
}
"""Column type -> the tensor datatype that we answer with and ask for."""


def accepted(column: Column) -> tuple[str, ...]:
    """Datatypes that may fill a column: its own, and whole numbers where any number will do."""
    own = tuple(name for name, dtype in NATURAL.items() if dtype == column.dtype)
    return own + (_INTEGERS if column.dtype == "float64" else ())


def decoder(column: Column, datatype: str) -> msgspec.json.Decoder[Any]:
    """Decodes the flat data of a tensor of that datatype for that column.

    Refuses whatever is not certainly right.
    """
    value = json_type(NATURAL[datatype], nullable=column.nullable)
    return msgspec.json.Decoder(list[value])  # type: ignore[valid-type]  # a type made at run time
