"""Columns: the words for a table that travels between processes.

In memory a table is `Columns`: name -> 1-D NumPy array, all of one length. float64 holds NaN for
null; string is an object array with None for null; int64 and bool hold no nulls (a nullable whole
number is declared float64).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.patterns import matcher
from mlplatform.contracts.refusal import inconsistent

DType = Literal["float64", "int64", "string", "bool"]
Columns = Mapping[str, NDArray[Any]]

NUMPY: dict[DType, Any] = {
    "float64": np.float64,
    "int64": np.int64,
    "string": np.object_,
    "bool": np.bool_,
}
NAME = r"^[a-z][a-z0-9_]{0,62}$"
RESERVED = frozenset(
    {
        "request_id",
        "row",
        "event_time",
        "batch",
        "label",
        "key",
        "tableoid",
        "ctid",
        "xmin",
        "xmax",
        "cmin",
        "cmax",
    }
)
"""Names that datasets use themselves, and those that no PostgreSQL table can give to a column."""
_MOST = float(np.finfo(np.float64).max)


class Column(Frozen):
    """One raw column as pipeline.yaml declares it."""

    name: str = Field(pattern=NAME)
    dtype: DType
    unit: str = Field(default="", description="For people; empty when the column has none.")
    description: str = ""
    nullable: bool = False
    min: float | None = Field(
        default=None, description="Least value that is believed; numbers only."
    )
    max: float | None = Field(
        default=None, description="Greatest value that is believed; numbers only."
    )
    values: tuple[str, ...] | None = Field(
        default=None, description="The only values allowed; strings only."
    )
    pattern: str | None = Field(
        default=None,
        description="Regular expression that a whole value matches; strings only.",
    )
    example: tuple[Any, ...] | None = Field(
        default=None,
        min_length=1,
        description="A value that rows hold, or a list of some: features.py is tried on them.",
    )

    @field_validator("example", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return given if given is None or isinstance(given, list | tuple) else (given,)

    @model_validator(mode="after")
    def _sound(self) -> Column:
        if self.name in RESERVED:
            raise ValueError(f"column name '{self.name}' is reserved")
        if self.nullable and self.dtype in ("int64", "bool"):
            raise ValueError(
                f"column '{self.name}': {self.dtype} can't be nullable; declare it float64"
            )
        if self.dtype in ("string", "bool") and (self.min is not None or self.max is not None):
            raise ValueError(f"column '{self.name}': min and max are for numbers")
        if self.dtype != "string" and self.values is not None:
            raise ValueError(f"column '{self.name}': values is for strings")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"column '{self.name}': min is above max")
        self._believe_pattern()
        for word, values in (("values", self.values), ("example", self.example)):
            for value in values or ():
                if wrong := self.against(value):
                    raise inconsistent(f"{value!r} {wrong}", word)
        return self

    def _believe_pattern(self) -> None:
        if self.pattern is None:
            return
        if self.dtype != "string":
            raise inconsistent(f"column '{self.name}': pattern is for strings", "pattern")
        try:
            matcher(self.pattern)
        except ValueError as error:
            raise inconsistent(f"no regular expression: {error}", "pattern") from error

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Not even as null: digests of older definitions stay, and older processes read new ones.
        document: dict[str, Any] = handler(self)
        newer = ("pattern", "example")
        return {k: v for k, v in document.items() if v is not None or k not in newer}

    def against(self, value: Any) -> str:
        """What keeps a value from being one of this column, or ''."""
        if not _is_of(value, self.dtype):
            return f"is no {self.dtype}"
        if self.min is not None and value < self.min:
            return f"is below min {self.min:g}"
        if self.max is not None and value > self.max:
            return f"is above max {self.max:g}"
        if self.values is not None and value not in self.values:
            return "is not one of values"
        if self.pattern is not None and not matcher(self.pattern)(value):
            return f"does not match pattern {self.pattern}"
        return ""


class Feature(Frozen):
    """One column that the model is fed with: a name and a type."""

    name: str = Field(pattern=NAME)
    dtype: DType


def _is_of(value: Any, dtype: DType) -> bool:
    """As `mlplatform.features.parse` takes values: a bool is not a number, 3 is a float64."""
    if dtype == "bool" or isinstance(value, bool):
        return dtype == "bool" and isinstance(value, bool)
    if dtype == "string":
        return isinstance(value, str)
    if dtype == "int64":
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return isinstance(value, int | float) and abs(value) <= _MOST and math.isfinite(value)


def length(columns: Columns) -> int:
    """Number of rows of a table (0 for a table without columns)."""
    return len(next(iter(columns.values()))) if columns else 0
