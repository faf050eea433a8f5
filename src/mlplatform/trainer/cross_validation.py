"""Scores of one combination of parameters over the folds of the training rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.trainer.estimator import Build
from mlplatform.trainer.halving import chosen
from mlplatform.trainer.metrics import Classes, score
from mlplatform.trainer.results import Trial
from mlplatform.trainer.steps.split import folds
from mlplatform.trainer.weighing import fit


@dataclass(frozen=True)
class CrossValidation:
    """The training rows, and how they are divided.

    Folds are fitted in threads: processes would get a copy of all rows each. A fold's own rows are
    copied while it is fitted, so `jobs` of them are in memory at once.
    """

    build: Build
    rows: pd.DataFrame
    labels: NDArray[Any]
    definition: PipelineDefinition
    jobs: int  # folds at once
    weights: NDArray[Any] | None = None  # of the rows

    def of(self, count: int) -> CrossValidation:
        """The same on so many of the rows, see `mlplatform.trainer.halving.chosen`."""
        if count == len(self.labels):
            return self
        rows = chosen(self.labels, count, self.definition)
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, rows=self.rows.iloc[rows], labels=self.labels[rows], weights=weights)

    def run(self, parameters: dict[str, Any], clock: Callable[[], float]) -> Trial:
        """One trial; a combination that fails is a result with its reason."""
        begun = clock()
        divided = folds(self.definition).split(self.rows, self.labels)
        try:
            scores = Parallel(n_jobs=self.jobs, prefer="threads", pre_dispatch=self.jobs)(
                delayed(self._fold)(parameters, train, test) for train, test in divided
            )
        except Exception as error:  # noqa: BLE001 - a combination that fails is a result
            failure = f"{type(error).__name__}: {error}"[:300]
            return Trial(parameters, (), clock() - begun, failure, len(self.labels))
        return Trial(parameters, tuple(scores), clock() - begun, rows=len(self.labels))

    def _fold(
        self, parameters: dict[str, Any], train: NDArray[np.int64], test: NDArray[np.int64]
    ) -> float:
        estimator = self.build(parameters)
        # Only then are the test rows taken: never are all of the rows in memory twice.
        weights = None if self.weights is None else self.weights[train]
        fit(estimator, self.rows.iloc[train], self.labels[train], weights)
        return self._score(estimator, self.rows.iloc[test], self.labels[test])

    def _score(self, estimator: Any, rows: pd.DataFrame, labels: NDArray[Any]) -> float:
        predictions = {"prediction": np.asarray(estimator.predict(rows)).reshape(-1)}
        classes = None
        if self.definition.task == "classification":
            classes = Classes(estimator.classes_, self.definition)
            predictions["probabilities"] = np.asarray(estimator.predict_proba(rows))
        return float(score(self.definition.tuning.metric, labels, predictions, classes))
