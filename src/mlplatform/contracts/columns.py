"""Columns: the words for a table that travels between processes.

In memory a table is `Columns`: name -> 1-D NumPy array, all of one length. float64 holds NaN for
null; string is an object array with None for null; int64 and bool hold no nulls (a nullable whole
number is declared float64).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mlplatform.contracts.frozen import Frozen

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
        return self


class Feature(Frozen):
    """One column that the model is fed with: a name and a type."""

    name: str = Field(pattern=NAME)
    dtype: DType


def length(columns: Columns) -> int:
    """Number of rows of a table (0 for a table without columns)."""
    return len(next(iter(columns.values()))) if columns else 0
