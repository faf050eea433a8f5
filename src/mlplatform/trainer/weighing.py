"""Weights of rows, on their way into an estimator's fit."""

from __future__ import annotations

from typing import Any

import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from mlplatform.errors import InvalidInput


def fit(estimator: Any, rows: pd.DataFrame, labels: Any, weights: NDArray[Any] | None) -> None:
    """Fit on rows that count so much; None: all the same.

    Raises InvalidInput for an estimator that takes no weights, and whatever its `fit` raises.
    """
    given = {} if weights is None else {_parameter(estimator): weights}
    estimator.fit(rows, labels, **given)


def _parameter(estimator: Any) -> str:
    """What `fit` calls the weights; of a Pipeline those of its last step."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return f"{name}__{_parameter(last)}"
    if not has_fit_parameter(estimator, "sample_weight"):
        raise InvalidInput(
            f"a {type(estimator).__name__} takes no weights: its fit has no sample_weight",
            field="weight",
            fix="take another estimator, alone or last in a Pipeline, or leave weight out",
        )
    return "sample_weight"
