"""Texts of CSV cells to values, by the declared type of their column."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from mlplatform.contracts.columns import Column, DType
from mlplatform.features.parse import INT64

CellType = DType | Literal["time", "required text"]
"""What the texts of a CSV column stand for."""


def cell_type(column: Column) -> CellType:
    """What the cells of a declared column stand for."""
    required = column.dtype == "string" and not column.nullable
    return "required text" if required else column.dtype


def convert(text: str, kind: CellType) -> Any:
    """The value of a CSV field; an empty one is null, but the empty text where a text is required.

    What can't be converted stays text, for etl to refuse with its reason.
    """
    if kind == "required text":
        return text
    if text == "":
        return None
    if kind == "string":
        return text
    stripped = text.strip()
    if kind == "bool":
        return _FLAGS.get(stripped.lower(), text)
    if kind == "time":
        return _number(stripped, stripped, whole=True)
    return _number(stripped, text, whole=kind == "int64")


def _number(text: str, otherwise: str, *, whole: bool) -> int | float | str | None:
    """A number as JSON could hold it, None for nan, else `otherwise`.

    Whole numbers may come as 3.0: that is how pandas writes them beside nulls. Python itself would
    also take 1_000 and the digits of every script.
    """
    if _NAN.fullmatch(text):
        return None
    if not _NUMBER.fullmatch(text):
        return otherwise
    digits = text.lstrip("+-")
    if digits.isdigit() and whole and len(digits) < _LONG:
        number = int(text)
        return number if -INT64 <= number < INT64 else otherwise
    value = float(text)
    if digits.isdigit():
        value += 0.0  # -0 is 0, as in JSON; only -0.0 is not
    return value if math.isfinite(value) else otherwise


_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
_LONG = 4_000  # digits; Python refuses to read more than 4,300
