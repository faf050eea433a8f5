"""Early stopping: a booster adds trees for as long as rows that it is not fitted on gain by them.

These rows are a part of the training rows, in a fold as in the last fit; held-out rows never
decide. By time they are the latest ones; else a row decides or not by what identifies it, as in the
split, so that rows of one key stay together.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.engine.boosters.found import package_of
from mlplatform.errors import InvalidInput
from mlplatform.trainer.estimator import Build
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.steps.split import deciding_rows

FIELD = "early_stopping"


class EarlyStopped(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A booster, alone or at the end of a Pipeline, that stops early.

    `decides` has an item per training row, found by the index of the frame that `fit` gets; None:
    the last `share` of the frame's rows decide. Former steps are fitted on the other rows only.
    """

    def __init__(
        self, estimator: Any, rounds: int, share: float, decides: NDArray[np.bool_] | None
    ) -> None:
        # scikit-learn's clone reads these by their names.
        self.estimator = estimator
        self.rounds = rounds
        self.share = share
        self.decides = decides

    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Raises InvalidInput when there is nothing to fit on or to decide by."""
        decides, labels = self._deciding(X), np.asarray(y)
        _require_both(decides, labels, classes=hasattr(self.estimator, "predict_proba"))
        known, checked = X[~decides], X[decides]
        whole = clone(self.estimator)
        before, booster = (whole[:-1], whole[-1]) if isinstance(whole, Pipeline) else (None, whole)
        if before is not None:
            known = before.fit_transform(known, labels[~decides])
            checked = before.transform(checked)
        weights = (None, None)
        if sample_weight is not None:
            weights = sample_weight[~decides], sample_weight[decides]
        sides = (known, labels[~decides]), (checked, labels[decides])
        booster_fit(booster, *sides, weights, self.rounds)
        self.estimator_ = booster
        if before is not None:
            self.estimator_ = Pipeline([*before.steps, (whole.steps[-1][0], booster)])
        return self

    def predict(self, X: pd.DataFrame) -> Any:  # noqa: N803
        """What the fitted estimator says."""
        return self.estimator_.predict(X)

    def predict_proba(self, X: pd.DataFrame) -> Any:  # noqa: N803
        """What the fitted estimator says."""
        return self.estimator_.predict_proba(X)

    @property
    def classes_(self) -> Any:
        """Of the fitted estimator."""
        return self.estimator_.classes_

    @property
    def trees(self) -> int:
        """How many rounds of trees the fitted booster answers with."""
        booster = self.estimator_[-1] if isinstance(self.estimator_, Pipeline) else self.estimator_
        if package_of(booster) == "catboost":
            return int(booster.tree_count_)
        if package_of(booster) == "lightgbm":
            return int(booster.best_iteration_)
        return int(booster.best_iteration) + 1

    def _deciding(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        if self.decides is not None:
            return np.asarray(self.decides[rows.index.to_numpy()], dtype=np.bool_)
        return np.arange(len(rows)) >= len(rows) - max(1, round(len(rows) * self.share))


def stopping_early(build: Build, rows: LabelledRows, definition: PipelineDefinition) -> Build:
    """`build` for frames of these training rows; as it is where the pipeline does not stop early.

    The new one raises InvalidInput for an estimator that has no booster at its end.
    """
    asked = definition.early_stopping
    if asked is None:
        return build
    decides = deciding_rows(rows, definition)

    def built(parameters: dict[str, Any]) -> EarlyStopped:
        estimator = build(parameters)
        require_booster(estimator)
        return EarlyStopped(estimator, asked.rounds, asked.share, decides)

    return built


def require_booster(estimator: Any) -> None:
    """Raises InvalidInput unless a booster that can stop early stands alone or last."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if package_of(last) is None:
        raise InvalidInput(
            f"a {type(last).__name__} does not stop early by pipeline.yaml",
            field=FIELD,
            fix="it works for XGBoost, LightGBM and CatBoost, alone or last in a Pipeline; "
            "scikit-learn's estimators have parameters of their own, as early_stopping=True",
        )
    if last.get_params().get("boosting_type") == "dart":
        raise InvalidInput(
            "LightGBM never stops early with boosting_type='dart'",
            field=FIELD,
            fix="take boosting_type='gbdt', or leave early_stopping out",
        )


def booster_fit(
    booster: Any,
    known: tuple[Any, Any],
    checked: tuple[Any, Any],
    weights: tuple[Any, Any],
    rounds: int,
) -> None:
    """Fit on (rows, labels) until `checked` has gained nothing for `rounds` rounds."""
    package, (own, others) = package_of(booster), weights
    several = None if others is None else [others]
    if package == "xgboost":
        more: dict[str, Any] = {"sample_weight_eval_set": several, "verbose": False}
        booster.set_params(early_stopping_rounds=rounds)
        booster.fit(*known, sample_weight=own, eval_set=[checked], **more)
    elif package == "lightgbm":
        stop = import_module("lightgbm").early_stopping(rounds, verbose=False)
        more = {"eval_sample_weight": several, "callbacks": [stop]}
        booster.fit(*known, sample_weight=own, eval_set=[checked], **more)
    else:
        pool = import_module("catboost").Pool(*checked, weight=others)
        more = {"early_stopping_rounds": rounds, "use_best_model": True}
        booster.fit(*known, sample_weight=own, eval_set=pool, **more)


def _require_both(decides: NDArray[np.bool_], labels: NDArray[Any], *, classes: bool) -> None:
    if decides.all() or not decides.any():
        raise InvalidInput(
            f"{int(decides.sum())} of {len(decides)} training rows would decide when to stop",
            field=f"{FIELD}.share",
            fix="bring more rows, or take another share",
        )
    if not classes:
        return
    absent = sorted(set(labels[decides].astype(str)) - set(labels[~decides].astype(str)))
    if absent:
        raise InvalidInput(
            f"all training rows of class {', '.join(absent)} decide when to stop",
            field=f"{FIELD}.share",
            fix="bring more rows of it, or take a smaller share",
        )
