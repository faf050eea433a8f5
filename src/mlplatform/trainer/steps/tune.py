"""Search over the parameters of `build`: a seeded draw without repetition, cross-validation, a time box."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import ParameterSampler, cross_val_score

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import LOWER_IS_BETTER, PipelineDefinition
from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput
from mlplatform.telemetry import logger
from mlplatform.trainer.estimator import Build
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.metrics import Classes, score
from mlplatform.trainer.steps.split import folds

_log = logger("trainer")


@dataclass(frozen=True)
class Trial:
    """One combination: its score per fold, or why it failed."""

    parameters: Mapping[str, Any]
    scores: tuple[float, ...] = ()
    seconds: float = 0.0
    failure: str = ""

    @property
    def mean(self) -> float:
        """Mean score over the folds; NaN when it failed."""
        return float(np.mean(self.scores)) if self.scores else math.nan


@dataclass(frozen=True)
class Search:
    """All trials in the order they ran.

    `planned` is more than `len(trials)` when the time was up.
    """

    trials: tuple[Trial, ...]
    planned: int
    best: Mapping[str, Any]


def tune(
    build: Build,
    train: LabelledRows,
    features: Sequence[Feature],
    definition: PipelineDefinition,
    *,
    jobs: int,
    clock: Callable[[], float] = time.monotonic,
    between: Callable[[], None] = lambda: None,
) -> Search:
    """The best parameters by the mean of `tuning.metric`; the earlier of equals. An empty space gives {} without a search.

    No new combination starts after `tuning.budget_s`, but one always runs. `between` is called
    before each, and may raise to stop. Raises InvalidInput when every combination failed.
    """
    plan = combinations(definition)
    if not plan:
        return Search(trials=(), planned=0, best={})
    bench, begun, trials = (
        _Bench(build, frame(train.features, features), train.labels, definition, jobs, clock),
        clock(),
        list[Trial](),
    )
    for parameters in plan:
        if trials and clock() - begun > definition.tuning.budget_s:
            _log.info(
                "tuning time is up",
                tried=len(trials),
                planned=len(plan),
                budget_s=definition.tuning.budget_s,
            )
            break
        between()
        trials.append(bench.run(parameters))
        _log.info(
            "trial",
            number=len(trials),
            parameters=dict(parameters),
            mean=trials[-1].mean,
            failure=trials[-1].failure,
        )
    return Search(
        trials=tuple(trials), planned=len(plan), best=_best(trials, definition).parameters
    )


def combinations(definition: PipelineDefinition) -> list[dict[str, Any]]:
    """The combinations to try, drawn with the split's seed, none twice."""
    space = definition.tuning.space
    size = math.prod(len(candidates) for candidates in space.values()) if space else 0
    if not size:
        return []
    return list(
        ParameterSampler(
            space, n_iter=min(definition.tuning.trials, size), random_state=definition.split.seed
        )
    )


@dataclass(frozen=True)
class _Bench:
    build: Build
    rows: pd.DataFrame
    labels: NDArray[Any]
    definition: PipelineDefinition
    jobs: int
    clock: Callable[[], float]

    def run(self, parameters: dict[str, Any]) -> Trial:
        """One trial."""
        begun = self.clock()
        try:
            scores = self._validate(self.build(parameters))
        except Exception as error:  # noqa: BLE001 - a combination that the estimator refuses, in whatever way, is a result of the search
            return Trial(
                parameters,
                seconds=self.clock() - begun,
                failure=f"{type(error).__name__}: {error}"[:300],
            )
        return Trial(parameters, scores=scores, seconds=self.clock() - begun)

    def _validate(self, estimator: Any) -> tuple[float, ...]:
        scores = cross_val_score(
            estimator,
            self.rows,
            self.labels,
            cv=folds(self.definition),
            scoring=_scorer(self.definition),
            n_jobs=self.jobs,
            error_score="raise",
        )
        return tuple(float(value) for value in scores)


def _scorer(definition: PipelineDefinition) -> Callable[[Any, pd.DataFrame, Any], float]:
    """Our own metric as scikit-learn calls scorers: here the sign stays as it is, `_best` knows which way is better."""

    def scorer(estimator: Any, rows: pd.DataFrame, labels: Any) -> float:
        answers = {"prediction": np.asarray(estimator.predict(rows)).reshape(-1)}
        classes = None
        if definition.task == "classification":
            classes = Classes(estimator.classes_, definition)
            answers["probabilities"] = np.asarray(estimator.predict_proba(rows))
        return score(definition.tuning.metric, np.asarray(labels), answers, classes)

    return scorer


def _best(trials: Sequence[Trial], definition: PipelineDefinition) -> Trial:
    sign = -1.0 if definition.tuning.metric in LOWER_IS_BETTER else 1.0
    judged = [trial for trial in trials if not math.isnan(trial.mean)]
    if not judged:
        raise InvalidInput(
            f"no combination of tuning.space worked: {trials[0].failure or 'the metric is not defined'}",
            field="tuning.space",
        )
    return max(judged, key=lambda trial: sign * trial.mean)
