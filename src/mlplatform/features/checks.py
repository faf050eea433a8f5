"""Are the values believable? Nulls, ranges, values and patterns of whole batches, with pandera.

Not imported on the serving path: pandera brings pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from mlplatform.contracts.columns import Column, Columns
from mlplatform.contracts.patterns import matcher
from mlplatform.features.fault import Fault, shown


def check(columns: Columns, declared: Sequence[Column]) -> list[Fault]:
    """Every value outside its column's contract, ordered by row.

    Types are taken as right: they come from `parse.to_columns`. pandera tells what is wrong with
    which row; that nothing is, NumPy tells many times faster.
    """
    if all(_clean(columns[column.name], column) for column in declared):
        return []
    schema = _schema(tuple(declared))
    frame = pd.DataFrame(
        {
            column.name: pd.Series(columns[column.name], dtype=_PANDAS.get(column.dtype))
            for column in declared
        }
    )
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return _faults(errors.failure_cases, {column.name: column for column in declared})
    return []


def _clean(values: NDArray[Any], column: Column) -> bool:
    """Whether every value of a column is sure to be allowed."""
    allowed = column.values  # noqa: PD011  (no data frame)
    if column.dtype == "string":
        texts = set(values.tolist())
        if None in texts and not column.nullable:
            return False
        texts.discard(None)
        return (allowed is None or texts <= set(allowed)) and (
            column.pattern is None or all(map(matcher(column.pattern), texts))
        )
    if column.dtype == "float64" and not column.nullable and np.isnan(values).any():
        return False
    return not (
        (column.min is not None and (values < column.min).any())
        or (column.max is not None and (values > column.max).any())
    )


# pandas would make a string type of its own out of str and None.
_PANDAS: dict[str, Any] = {"string": object}


@lru_cache(maxsize=64)
def _schema(declared: tuple[Column, ...]) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(checks=_checks(column), nullable=column.nullable, required=True)
            for column in declared
        }
    )


def _checks(column: Column) -> list[pa.Check]:
    """Checks of a column. The text given as `error` comes back in the cases for `_reason`."""
    allowed = column.values  # noqa: PD011  (no data frame)
    checks = []
    if column.min is not None:
        checks.append(pa.Check.ge(column.min, error="min"))
    if column.max is not None:
        checks.append(pa.Check.le(column.max, error="max"))
    if allowed is not None:
        checks.append(pa.Check.isin(allowed, error="values"))
    if column.pattern is not None:
        checks.append(pa.Check(matcher(column.pattern), element_wise=True, error="pattern"))
    return checks


def _faults(cases: pd.DataFrame, declared: dict[str, Column]) -> list[Fault]:
    faults = []
    lists = (cases[name].tolist() for name in ("index", "column", "check", "failure_case"))
    for row, name, failed, value in zip(*lists, strict=True):
        faults.append(Fault(int(row), name, _reason(failed, value, declared[name]), _plain(value)))
    return sorted(faults, key=lambda fault: fault.row)


def _plain(value: Any) -> Any:
    """The value, with NaN as None."""
    return None if value != value else value  # noqa: PLR0124  (NaN differs from itself)


def _reason(check: str, value: Any, column: Column) -> str:
    unit = f" {column.unit}" if column.unit else ""
    if check == "min":
        return f"{value:g} is below {column.min:g}{unit}"
    if check == "max":
        return f"{value:g} is above {column.max:g}{unit}"
    if check == "values":
        allowed = ", ".join(column.values or ())  # noqa: PD011  (no data frame)
        return f"{shown(value)} is not one of {allowed}"
    if check == "pattern":
        return f"{shown(value)} does not match {column.pattern}"
    return "is null, and the column allows no nulls"
