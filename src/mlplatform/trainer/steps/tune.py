"""Tune the parameters of `build`: seeded draws without repetition, cross-validated, time-boxed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from sklearn.model_selection import ParameterSampler

from mlplatform.contracts.pipeline import LOWER_IS_BETTER, PipelineDefinition
from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput
from mlplatform.registry.publish import MlflowRun
from mlplatform.telemetry import logger
from mlplatform.trainer.cross_validation import CrossValidation
from mlplatform.trainer.early_stopping import stopping_early
from mlplatform.trainer.estimator import Build
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.metrics import finite
from mlplatform.trainer.results import Pinned, Search, Trial

_log = logger("trainer")


def tune(
    build: Build,
    rows: LabelledRows,
    pinned: Pinned,
    record: MlflowRun,
    *,
    jobs: int,
    check: Callable[[], None],
) -> Search:
    """Search for the best parameters on `rows`, noted in the MLflow run. See `search`."""
    if not combinations(pinned.definition):
        found = Search(trials=(), planned=0, best={})
        _record(record, found)
        return found
    found = search(cross_validation(build, rows, pinned, jobs=jobs), check=check)
    _record(record, found)
    return found


def cross_validation(
    build: Build, rows: LabelledRows, pinned: Pinned, *, jobs: int
) -> CrossValidation:
    """Of the pinned pipeline, on these rows."""
    data = frame(rows.features, pinned.features.features)
    build = stopping_early(build, rows, pinned.definition)
    return CrossValidation(build, data, rows.labels, pinned.definition, jobs)


def search(
    validation: CrossValidation,
    *,
    check: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
) -> Search:
    """The best parameters by the mean of `tuning.metric`; the earlier of equals.

    An empty space gives {} without a search. No new combination starts after `tuning.budget_s`,
    but one always runs. `check` is called before each, and may raise to stop. Raises InvalidInput
    when every combination failed.
    """
    definition = validation.definition
    plan, begun, trials = combinations(definition), clock(), list[Trial]()
    for parameters in plan:
        if trials and clock() - begun > definition.tuning.budget_s:
            _log.info("tuning time is up", tried=len(trials), planned=len(plan))
            break
        check()
        trial = validation.run(parameters, clock)
        trials.append(trial)
        _log.info("trial", parameters=parameters, mean=trial.mean, failure=trial.failure)
    best = _best(trials, definition).parameters if plan else {}
    return Search(trials=tuple(trials), planned=len(plan), best=best)


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


def _best(trials: Sequence[Trial], definition: PipelineDefinition) -> Trial:
    sign = -1.0 if definition.tuning.metric in LOWER_IS_BETTER else 1.0
    measured = [trial for trial in trials if not math.isnan(trial.mean)]
    if not measured:
        raise InvalidInput(
            f"no combination of tuning.space worked: {trials[0].failure or 'undefined metric'}",
            field="tuning.space",
        )
    return max(measured, key=lambda trial: sign * trial.mean)


def _record(record: MlflowRun, found: Search) -> None:
    """The chosen parameters, and one point of the curve per combination tried."""
    record.parameters({f"best_{name}": value for name, value in found.best.items()})
    record.metrics({"tuning_trials": len(found.trials), "tuning_planned": found.planned})
    for step, trial in enumerate(found.trials):
        measured = {"tuning_mean": trial.mean, "tuning_trial_seconds": trial.seconds}
        record.metrics(finite(measured), step=step)
