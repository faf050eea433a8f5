"""The columns of a plan as the model is given them, and as rows of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlplatform.draft.plan import Plan
from mlplatform.draft.table import TableColumn

MISSING = "missing"
"""What features.py writes for a text that is null: ONNX has no null texts."""


def features(plan: Plan) -> pd.DataFrame:
    """One column per feature, as features.py makes them."""
    return pd.DataFrame({column.name: _feature(column) for column in plan.features})


def labels(plan: Plan) -> NDArray[Any]:
    """What is to be predicted; None or NaN where it is not known."""
    return plan.target.cells


def known(plan: Plan) -> NDArray[np.bool_]:
    """Which rows have a label."""
    return np.asarray(~pd.isna(plan.target.cells), np.bool_)


def row(plan: Plan, at: int) -> Mapping[str, Any]:
    """One row of raw columns; null is None."""
    return {column.name: _plain(column, at) for column in plan.columns}


def _feature(column: TableColumn) -> NDArray[Any]:
    if column.kind != "string" or not column.nulls:
        return column.cells
    return np.array([MISSING if text is None else text for text in column.cells], np.object_)


def _plain(column: TableColumn, at: int) -> Any:
    value = column.cells[at]
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
