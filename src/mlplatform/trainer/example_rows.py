"""Example rows of a model that somebody trained elsewhere: what they say about its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlplatform.contracts.columns import NAME, RESERVED, Column, Columns
from mlplatform.errors import InvalidInput
from mlplatform.features.parse import to_columns

_FEW_TEXTS = 50
"""A text column with at most so many different values is taken as one of categories."""
_LEAST_ROWS = 2
_FIELD = "--example"


@dataclass(frozen=True)
class ExampleRows:
    """Columns as the rows show them, the rows, and their targets where the file holds any."""

    columns: tuple[Column, ...]
    table: Columns
    labels: NDArray[Any] | None
    frame: pd.DataFrame


def read(path: Path, target: str) -> ExampleRows:
    """The rows of a CSV file with a header; a column `target` holds the labels.

    Raises InvalidInput that names the column.
    """
    frame = _frame(path)
    labels = frame.pop(target).to_numpy() if target in frame.columns else None
    columns = tuple(_column(str(name), frame[name]) for name in frame.columns)
    values = {
        column.name: [None if pd.isna(value) else value for value in frame[column.name].tolist()]
        for column in columns
    }
    table, faults = to_columns(values, columns)
    if faults:
        raise InvalidInput(str(faults[0]), field=_FIELD)
    return ExampleRows(columns, table, labels, frame)


def _frame(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path)
    except OSError as error:
        raise InvalidInput(f"can't read {path}: {error.strerror}", field=_FIELD) from error
    except (ValueError, UnicodeDecodeError) as error:  # pandas' own errors are ValueErrors
        raise InvalidInput(f"{path} is not a CSV file: {error}", field=_FIELD) from error
    if len(frame) < _LEAST_ROWS or not len(frame.columns):
        raise InvalidInput(
            f"{path} has {len(frame)} rows",
            field=_FIELD,
            fix="a header line and some rows that the model answers; a hundred prove more than two",
        )
    return frame


def _column(name: str, values: pd.Series[Any]) -> Column:
    if not re.fullmatch(NAME, name) or name in RESERVED:
        raise InvalidInput(
            f"a column can't be called {name!r}",
            field=_FIELD,
            fix="names match [a-z][a-z0-9_]*, and some are taken; fit the model with such names",
        )
    given = values.dropna()
    if given.empty:
        raise InvalidInput(f"column {name} holds no value", field=_FIELD)
    nullable = len(given) < len(values)
    if values.dtype == np.bool_:
        return Column(name=name, dtype="bool")
    if pd.api.types.is_integer_dtype(values.dtype):
        return Column(name=name, dtype="int64")
    if pd.api.types.is_float_dtype(values.dtype):
        return Column(name=name, dtype="float64", nullable=nullable)
    texts = given.astype(str)
    return Column(
        name=name, dtype="string", nullable=nullable, values=_categories(texts.unique().tolist())
    )


def _categories(texts: Sequence[str]) -> tuple[str, ...] | None:
    return tuple(sorted(texts)) if len(texts) <= _FEW_TEXTS else None
