"""Tensor datatypes of the Open Inference Protocol, and the types of our columns that hold them."""

from __future__ import annotations

from mlplatform.contracts.columns import Column, DType

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
    return tuple(name for name in NATURAL if fills(name, column.dtype))


def fills(datatype: str, dtype: DType, *, table: bool = False) -> bool:
    """Whether a tensor of that datatype may fill a column of that type.

    In a table of several columns a client can't choose a datatype for each, so that whole numbers
    may come there as floats.
    """
    natural = NATURAL.get(datatype)
    numbers = ("float64", "int64")
    return natural == dtype or (
        natural in numbers and dtype in (numbers if table else ("float64",))
    )
