"""What a quick model reaches on the rows, so that gates, cases and model.py have a reason."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from mlplatform.contracts.pipeline import Metric
from mlplatform.draft import rows
from mlplatform.draft.model_file import KINDS, Kind, build
from mlplatform.draft.plan import Plan

MOST_ROWS = 20_000
"""Rows that it is tried on: a person waits for it."""
FOLDS = 4
_SEED = 0
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Baseline:
    """The better of the kinds of model, and how good it is.

    `at` are rows of the table that were held out once; `predicted` has for each of them the
    probability of each class, shape (rows, classes), or the number, shape (rows,).
    """

    kind: Kind
    metric: Metric
    scores: tuple[float, ...]
    at: Indices
    predicted: NDArray[np.float64]
    by_time: bool

    @property
    def score(self) -> float:
        """The mean of the parts."""
        return float(np.mean(self.scores))

    @property
    def chance(self) -> float:
        """How far scores of equally good models lie apart on such parts; 0.1 where it is more."""
        return min(0.1, max(0.02, 2 * float(np.std(self.scores))))

    @property
    def surely(self) -> float:
        """What a model as good as this one reaches on another part of such rows, nearly always."""
        return min(self.scores) - max(0.02, 2 * float(np.std(self.scores)))


def metric_of(plan: Plan) -> Metric:
    """What models for this target are compared by."""
    if plan.task == "regression":
        return "r2"
    return "roc_auc" if len(plan.target.distinct) == 2 else "balanced_accuracy"


def baseline(plan: Plan) -> Baseline:
    """The best of all kinds of model on rows that it has not seen."""
    # Threads that wait for each other on a busy machine take many times as long as one.
    with threadpool_limits(1):
        found = [_tried(plan, kind) for kind in KINDS]
    return max(found, key=lambda each: each.score)


def _tried(plan: Plan, kind: Kind) -> Baseline:
    table, labels, chosen = rows.features(plan), rows.labels(plan), _chosen(plan)
    scores, held_out, predicted = [], [], []
    parts, by_time = _parts(plan, chosen)
    for train, test in parts:
        model = build(plan, kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a class that one part has and another lacks
            model.fit(table.iloc[train], labels[train].astype(_type(plan)))
            found = _predictions(plan, model, table.iloc[test])
            scores.append(score(plan, labels[test], found))
        held_out.append(test)
        predicted.append(found)
    return Baseline(
        kind,
        metric_of(plan),
        tuple(scores),
        np.concatenate(held_out),
        np.concatenate(predicted),
        by_time,
    )


def _type(plan: Plan) -> Any:
    return np.float64 if plan.task == "regression" else plan.target.cells.dtype


def _chosen(plan: Plan) -> Indices:
    at = np.flatnonzero(rows.known(plan))
    if len(at) > MOST_ROWS:
        at = np.sort(np.random.default_rng(_SEED).choice(at, MOST_ROWS, replace=False))
    return at


def _parts(plan: Plan, chosen: Indices) -> tuple[Iterator[tuple[Indices, Indices]], bool]:
    """Rows to learn from, and rows to be tried on: the latest ones where there is a time."""
    if plan.time is not None and len(plan.time.distinct) > 1:
        order = chosen[np.argsort(_moments(plan.time.cells[chosen]), kind="stable")]
        cut = int(0.75 * len(order))
        if len(set(rows.labels(plan)[order[:cut]])) > 1:
            return iter([(order[:cut], order[cut:])]), True
    counts = pd.Series(rows.labels(plan)[chosen]).value_counts()
    few = plan.task == "regression" or counts.min() < FOLDS
    folds = (KFold if few else StratifiedKFold)(
        min(FOLDS, len(chosen)), shuffle=True, random_state=_SEED
    )
    parts = folds.split(chosen, None if few else rows.labels(plan)[chosen].astype(str))
    return ((chosen[train], chosen[test]) for train, test in parts), False


def _moments(cells: NDArray[Any]) -> NDArray[Any]:
    """Times in an order: those of texts, or seconds since the epoch as they are."""
    if cells.dtype != np.object_:
        return cells
    texts = pd.Series(cells, dtype="object")
    return pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601").to_numpy()


def _predictions(plan: Plan, model: Any, table: pd.DataFrame) -> NDArray[np.float64]:
    if plan.task == "regression":
        return np.asarray(model.predict(table), np.float64)
    found = np.zeros((len(table), len(plan.target.distinct)))
    places = [plan.target.distinct.index(name) for name in model.classes_]
    found[:, places] = model.predict_proba(table)
    return found


def score(plan: Plan, truth: NDArray[Any], predicted: NDArray[np.float64]) -> float:
    """By the metric of this plan; the least there is where a part has one class only."""
    if plan.task == "regression":
        return float(r2_score(truth.astype(np.float64), predicted))
    classes = plan.target.distinct
    if len(classes) == 2:
        positive = truth == classes[1]
        both = positive.any() and not positive.all()
        return float(roc_auc_score(positive, predicted[:, 1])) if both else 0.5
    names = np.array([str(name) for name in classes])
    return float(balanced_accuracy_score(truth.astype(str), names[predicted.argmax(axis=1)]))
