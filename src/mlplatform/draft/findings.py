"""What will hurt: said before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlplatform.draft import rows
from mlplatform.draft.baseline import Baseline, score
from mlplatform.draft.plan import Plan

_ROWS = 5_000
_GIVES_AWAY = 0.98
_FEW = 20
_SHARE = 0.02
_WEAK = {"roc_auc": 0.6, "balanced_accuracy": 0.0, "r2": 0.05}


def findings(plan: Plan, found: Baseline) -> list[str]:
    """One sentence each, the column first, and what to do."""
    parts = (_renamed, _mixed, _useless, _classes, _of_time, _leaks)
    return [*(line for part in parts for line in part(plan)), *_weak(plan, found)]


def _renamed(plan: Plan) -> Iterator[str]:
    parts = [part for part in (plan.target, plan.key, plan.time, *plan.columns) if part]
    renamed = [f"{each.given} is {each.name}" for each in parts if each.given != each.name]
    if renamed:
        yield f"names were made plain ({', '.join(renamed[:5])}{' …' * (len(renamed) > 5)})"


def _mixed(plan: Plan) -> Iterator[str]:
    for column in [*plan.columns, plan.target]:
        if column.odd:
            odd = ", ".join(f"'{text}'" for text in column.odd[:3])
            way_out = "rows with these go to quarantine; leave such cells empty"
            yield f"{column.name}: mixed types, numbers and {odd}; {way_out}"


def _useless(plan: Plan) -> Iterator[str]:
    for name, why in plan.left_out.items():
        yield f"{name}: {why}, so it is no feature; features.py can make something of it"


def _classes(plan: Plan) -> Iterator[str]:
    if plan.task == "regression":
        return
    for name, count in pd.Series(rows.labels(plan)).value_counts().items():
        if count < _FEW or count < _SHARE * plan.rows:
            few = f"only {count} of {plan.rows} rows are {name}"
            yield f"{plan.target.name}: {few}; how good a model is for them is hardly known"


def _of_time(plan: Plan) -> Iterator[str]:
    if plan.time is not None and len(plan.time.distinct) < 2:
        yield f"{plan.time.name}: always the same time, so rows are split at random"


def _leaks(plan: Plan) -> Iterator[str]:
    table, truth = rows.features(plan), rows.labels(plan)
    at = np.flatnonzero(rows.known(plan))
    if len(at) > _ROWS:
        at = np.sort(np.random.default_rng(0).choice(at, _ROWS, replace=False))
    for name in table.columns:
        reached = _alone(plan, table[[name]].iloc[at], truth[at])
        if reached >= _GIVES_AWAY:
            alone = f"it alone predicts {plan.target.name} nearly always ({reached:.3f})"
            yield f"{name}: {alone}; is it known when a prediction is asked for?"


def _alone(plan: Plan, column: pd.DataFrame, truth: np.ndarray) -> float:
    values = column.to_numpy()
    if values.dtype == np.object_:
        values = OrdinalEncoder().fit_transform(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that one part lacks
        if plan.task == "regression":
            tree = DecisionTreeRegressor(max_depth=6, min_samples_leaf=5)
            found = cross_val_predict(tree, values, truth.astype(np.float64), cv=3)
            return score(plan, truth, found)
        tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=5)
        names = truth.astype(str)
        found = cross_val_predict(tree, values, names, cv=3)
    places = [str(name) for name in plan.target.distinct]
    same = np.array(places)[:, None] == found
    return min(
        float((same[at] & (names == name)).sum() / max(1, (names == name).sum()))
        for at, name in enumerate(places)
    )


def _weak(plan: Plan, found: Baseline) -> Iterator[str]:
    if found.score < _WEAK[found.metric]:
        reached = f"a quick model learns next to nothing ({found.metric} {found.score:.2f})"
        yield f"{plan.target.name}: {reached}; the columns may not hold what decides it"
