"""Weights of rows on their way into fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.steps.train import train
from mlplatform.trainer.steps.tune import cross_validation
from mlplatform.trainer.weighing import fit

ROWS = pd.DataFrame({"age": [0.0, 0.0, 1.0, 1.0]})
LABELS = np.array([0.0, 8.0, 1.0, 9.0])
WEIGHTS = np.array([1.0, 0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        make_pipeline(StandardScaler(), LinearRegression()),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), LinearRegression())),
    ],
)
def test_rows_of_weight_0_do_not_count(estimator: Any) -> None:
    """Alone and last in a Pipeline, however deep."""
    fit(estimator, ROWS, LABELS, WEIGHTS)

    assert [0.0, 1.0] == pytest.approx(estimator.predict(ROWS)[[0, 2]].tolist())


def test_without_weights_all_rows_count_the_same() -> None:
    """Nothing is given to an estimator that could not take it."""
    neighbours = KNeighborsRegressor(n_neighbors=2)
    fit(neighbours, ROWS, LABELS, None)

    assert [4.0, 5.0] == neighbours.predict(ROWS)[[0, 2]].tolist()


def test_an_estimator_that_takes_no_weights_is_refused() -> None:
    """With what to change, rather than to leave the weights out without a word."""
    with pytest.raises(InvalidInput, match="KNeighborsRegressor takes no weights") as refused:
        fit(make_pipeline(StandardScaler(), KNeighborsRegressor()), ROWS, LABELS, WEIGHTS)

    assert "weight" == refused.value.field


def test_training_and_tuning_use_the_weights(pinned: Any, table: Any) -> None:
    """Rows whose label is wrong and whose weight is 0 change neither."""
    rows, whole = table(200), pinned()
    wrong = np.arange(200) % 2 == 0
    rows.labels[wrong] = np.where(rows.labels[wrong] == "yes", "no", "yes")
    weighed = _weighed(rows, np.where(wrong, 0.0, 1.0))
    half = rows.take(np.flatnonzero(~wrong))
    data = frame(half.features, whole.features.features)

    first, second = (
        train(builder(whole), some, whole, {}).predict_proba(data) for some in (weighed, half)
    )

    assert first == pytest.approx(second, abs=1e-6)
    folds = cross_validation(builder(whole), weighed, whole, jobs=1)
    assert "" == folds.run({}, lambda: 0.0).failure
    assert folds.of(100).weights.tolist() == folds.weights[folds.of(100).rows.index].tolist()


def _weighed(rows: Any, weights: Any) -> Any:
    return type(rows)(**{**vars(rows), "weights": weights})
