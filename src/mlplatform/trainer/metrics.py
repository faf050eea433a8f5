"""Metrics of predictions, the same functions for tuning, gates, slices and the champion.

The positive class of a two-class model is the last of `target.values`, or else the last in sort
order. With more classes, f1 is the mean over classes and roc_auc the mean of one class against the
rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import (
    CLASSIFICATION_METRICS,
    LOWER_IS_BETTER,
    Metric,
    PipelineDefinition,
)

REGRESSION_METRICS: tuple[Metric, ...] = ("r2", "mae", "rmse")


class Classes:
    """The classes of a classification in the model's order, and which one is positive."""

    def __init__(self, names: Sequence[Any], definition: PipelineDefinition) -> None:
        self.names = tuple(str(name) for name in names)
        last = (definition.target.values or self.names)[-1]  # noqa: PD011 - no data frame
        self.positive = last if len(self.names) == 2 and last in self.names else self.names[-1]

    @property
    def positive_at(self) -> int:
        """Column of the positive class among the probabilities."""
        return self.names.index(self.positive)


def of_task(definition: PipelineDefinition) -> tuple[Metric, ...]:
    """The metrics that are computed for every version of this task."""
    if definition.task == "regression":
        return REGRESSION_METRICS
    # A sorted set of Metric loses its literal type.
    return tuple(sorted(CLASSIFICATION_METRICS))  # type: ignore[arg-type]


def measure(
    labels: NDArray[Any], predictions: Columns, classes: Classes | None, names: Sequence[Metric]
) -> dict[Metric, float]:
    """Each metric of these predictions.

    NaN where it isn't defined, such as roc_auc over rows of a single class.
    """
    return {name: score(name, labels, predictions, classes) for name in names}


def score(
    name: Metric, labels: NDArray[Any], predictions: Columns, classes: Classes | None
) -> float:
    """One metric; NaN where it isn't defined."""
    if not len(labels):
        return float("nan")
    if classes is None:
        truth = labels.astype(np.float64)
        return _REGRESSION[name](truth, predictions["prediction"].astype(np.float64))
    found = _Classified(
        truth=_names(labels),
        predicted=_names(predictions["prediction"]),
        chances=np.asarray(predictions["probabilities"], dtype=np.float64),
        classes=classes,
    )
    return _CLASSIFICATION[name](found)


def _names(classes: NDArray[Any]) -> NDArray[Any]:
    """Classes as texts. Equal ones are one object: NumPy's own texts take 84 bytes a number."""
    codes, known = pd.factorize(np.asarray(classes), use_na_sentinel=False)
    return np.array([str(one) for one in known], dtype=np.object_)[codes]


def undefined(name: str, labels: NDArray[Any]) -> str:
    """Why a metric that is NaN over these labels can't be measured."""
    present = set(labels.astype(str))
    if not present:
        return "there are no rows"
    if name == "roc_auc" and len(present) == 1:
        return f"only class {present.pop()} among {len(labels)} rows"
    return "one row only" if len(labels) == 1 else "not defined for these rows"


def better(name: Metric, challenger: float, champion: float, tolerance: float) -> bool:
    """True when the challenger is at most `tolerance` worse. False when either is NaN."""
    # Equal counts as better: the same data and code must pass, and so must a refreshed model.
    return (
        challenger <= champion + tolerance
        if name in LOWER_IS_BETTER
        else challenger >= champion - tolerance
    )


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """Without the metrics that are not defined: neither JSON nor Postgres takes NaN."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


@dataclass(frozen=True)
class _Classified:
    """Rows of a classification: their classes, the predicted ones, and a column per class."""

    truth: NDArray[Any]
    predicted: NDArray[Any]
    chances: NDArray[np.float64]
    classes: Classes

    @property
    def binary(self) -> bool:
        return len(self.classes.names) == 2


def _roc_auc(rows: _Classified) -> float:
    present, classes = set(rows.truth), rows.classes
    if len(present) < 2:  # nothing to rank
        return float("nan")
    # The positive class alone for two classes; else the mean of each one against the rest.
    names = [classes.positive] if rows.binary else [n for n in classes.names if n in present]
    scores = [
        sk.roc_auc_score(rows.truth == name, rows.chances[:, classes.names.index(name)])
        for name in names
    ]
    return float(np.mean(scores)) if scores else float("nan")


def _log_loss(rows: _Classified) -> float:
    """A class that the model does not know has probability 0."""
    position = {name: at for at, name in enumerate(rows.classes.names)}
    given = np.array(
        [
            rows.chances[row, position[name]] if name in position else 0.0
            for row, name in enumerate(rows.truth)
        ]
    )
    # The logarithm of 0 would make one such row outweigh all others.
    return float(-np.mean(np.log(np.clip(given, np.finfo(np.float64).eps, 1.0))))


def _f1(rows: _Classified) -> float:
    if not rows.binary:
        return float(sk.f1_score(rows.truth, rows.predicted, average="macro", zero_division=0))
    truth, predicted = (side == rows.classes.positive for side in (rows.truth, rows.predicted))
    return float(sk.f1_score(truth, predicted, zero_division=0))


def _balanced(rows: _Classified) -> float:
    """Mean over the classes that occur of the share that was recognised."""
    shares = [np.mean(rows.predicted[rows.truth == name] == name) for name in np.unique(rows.truth)]
    return float(np.mean(shares))


_CLASSIFICATION: Mapping[str, Callable[[_Classified], float]] = {
    "roc_auc": _roc_auc,
    "accuracy": lambda rows: float(np.mean(rows.truth == rows.predicted)),
    "balanced_accuracy": _balanced,
    "f1": _f1,
    "log_loss": _log_loss,
}
_REGRESSION: Mapping[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    # With a single row there is no variance to explain.
    "r2": lambda truth, predicted: (
        float(sk.r2_score(truth, predicted)) if len(truth) > 1 else float("nan")
    ),
    "mae": lambda truth, predicted: float(np.mean(np.abs(truth - predicted))),
    "rmse": lambda truth, predicted: float(np.sqrt(np.mean((truth - predicted) ** 2))),
}
