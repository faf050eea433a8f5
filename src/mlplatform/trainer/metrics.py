"""Metrics of predictions, the same functions for tuning, gates, slices and the champion.

The positive class of a two-class model is the last of `target.values`, or else the last in sort
order. With more classes, f1 is the mean over classes and roc_auc the mean of one class against the
rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
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
        last = (definition.target.values or self.names)[-1]
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
        return _REGRESSION[name](
            labels.astype(np.float64), predictions["prediction"].astype(np.float64)
        )
    truth, predicted = (
        np.asarray(labels, dtype=str),
        np.asarray(predictions["prediction"], dtype=str),
    )
    return _CLASSIFICATION[name](
        truth, predicted, np.asarray(predictions["probabilities"], dtype=np.float64), classes
    )


def better(name: Metric, challenger: float, champion: float, tolerance: float) -> bool:
    """True when the challenger is at most `tolerance` worse. False when either is NaN."""
    return (
        challenger <= champion + tolerance
        if name in LOWER_IS_BETTER
        else challenger >= champion - tolerance
    )


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """Without the metrics that are not defined: neither JSON nor Postgres takes NaN."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _roc_auc(
    truth: NDArray[Any], _: NDArray[Any], chances: NDArray[Any], classes: Classes
) -> float:
    present = set(truth)
    if len(classes.names) == 2:
        return (
            float("nan")
            if len(present) < 2
            else float(sk.roc_auc_score(truth == classes.positive, chances[:, classes.positive_at]))
        )
    scores = [
        sk.roc_auc_score(truth == name, chances[:, position])
        for position, name in enumerate(classes.names)
        if name in present and len(present) > 1
    ]
    return float(np.mean(scores)) if scores else float("nan")


def _log_loss(
    truth: NDArray[Any], _: NDArray[Any], chances: NDArray[Any], classes: Classes
) -> float:
    position = {name: at for at, name in enumerate(classes.names)}
    given = np.array(
        [
            chances[row, position[name]] if name in position else 0.0
            for row, name in enumerate(truth)
        ]
    )
    return float(-np.mean(np.log(np.clip(given, np.finfo(np.float64).eps, 1.0))))


def _f1(truth: NDArray[Any], predicted: NDArray[Any], _: NDArray[Any], classes: Classes) -> float:
    if len(classes.names) == 2:
        return float(
            sk.f1_score(truth == classes.positive, predicted == classes.positive, zero_division=0)
        )
    return float(sk.f1_score(truth, predicted, average="macro", zero_division=0))


def _balanced(truth: NDArray[Any], predicted: NDArray[Any], _: NDArray[Any], __: Classes) -> float:
    return float(np.mean([np.mean(predicted[truth == name] == name) for name in np.unique(truth)]))


def _r2(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    return float(sk.r2_score(truth, predicted)) if len(truth) > 1 else float("nan")


_CLASSIFICATION: Mapping[
    str, Callable[[NDArray[Any], NDArray[Any], NDArray[Any], Classes], float]
] = {
    "roc_auc": _roc_auc,
    "accuracy": lambda truth, predicted, _, __: float(np.mean(truth == predicted)),
    "balanced_accuracy": _balanced,
    "f1": _f1,
    "log_loss": _log_loss,
}
_REGRESSION: Mapping[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "r2": _r2,
    "mae": lambda truth, predicted: float(np.mean(np.abs(truth - predicted))),
    "rmse": lambda truth, predicted: float(np.sqrt(np.mean((truth - predicted) ** 2))),
}
