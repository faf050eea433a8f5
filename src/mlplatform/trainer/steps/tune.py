"""Tune the parameters of `build`: seeded draws without repetition, cross-validated, time-boxed.

By halving, all of them are tried on a share of the rows, and only the best on all rows. By TPE,
what was tried so far decides which combination comes next.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlplatform.contracts.pipeline import LOWER_IS_BETTER, PipelineDefinition
from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput
from mlplatform.registry.publish import MlflowRun
from mlplatform.telemetry import logger
from mlplatform.trainer.combinations import combinations
from mlplatform.trainer.cross_validation import CrossValidation
from mlplatform.trainer.early_stopping import stopping_early
from mlplatform.trainer.estimator import Build
from mlplatform.trainer.halving import rungs
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.metrics import finite
from mlplatform.trainer.results import Pinned, Search, Trial
from mlplatform.trainer.tpe import TreeParzen

Tried = Callable[[Sequence[dict[str, Any]], int], Iterable[Trial]]
"""Tries combinations on so many of the rows, in order; ends early when the time is up."""
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
        record_search(record, found)
        return found
    found = search(cross_validation(build, rows, pinned, jobs=jobs), check=check)
    record_search(record, found)
    return found


def cross_validation(
    build: Build, rows: LabelledRows, pinned: Pinned, *, jobs: int
) -> CrossValidation:
    """Of the pinned pipeline, on these rows."""
    data = frame(rows.features, pinned.features.features)
    build = stopping_early(build, rows, pinned.definition)
    return CrossValidation(build, data, rows.labels, pinned.definition, jobs, rows.weights)


def search(
    validation: CrossValidation,
    *,
    check: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
) -> Search:
    """The best parameters by the mean of `tuning.metric` on equally many rows; {} without a space.

    No new combination starts after `tuning.budget_s`, but one always runs. `check` is called before
    each, and may raise to stop. Raises InvalidInput when every combination failed.
    """
    definition, done = validation.definition, list[Trial]()
    propose, ends = _proposals(definition), clock() + definition.tuning.budget_s

    def tried(plan: Sequence[dict[str, Any]], rows: int) -> Iterator[Trial]:
        rung = validation.of(rows)
        for drawn in plan:
            if done and clock() > ends:
                _log.info("tuning time is up", tried=len(done))
                return
            check()
            done.append(rung.run(propose(done, drawn), clock))
            yield done[-1]

    return search_by(definition, len(validation.labels), tried)


def search_by(definition: PipelineDefinition, rows: int, tried: Tried) -> Search:
    """The search of a definition on so many training rows, with `tried` for the work."""
    trials, planned, plan = list[Trial](), 0, combinations(definition)
    for count, share in _rungs(definition, len(plan), rows):
        before = len(trials)
        planned += len(plan[:count])
        for trial in tried(plan[:count], share):
            trials.append(trial)
            _log.info("trial", **_shown(trial))
        plan = [dict(trial.parameters) for trial in _ranked(trials[before:], definition)]
    return Search(tuple(trials), planned, _best(trials, definition))


def _proposals(
    definition: PipelineDefinition,
) -> Callable[[Sequence[Trial], dict[str, Any]], dict[str, Any]]:
    """What is tried after some trials, where the plan has this combination."""
    if definition.tuning.search != "tpe":
        return lambda _, drawn: drawn
    sampler = TreeParzen(combinations(definition), definition)
    return lambda trials, _: sampler.propose(trials)


def _rungs(definition: PipelineDefinition, count: int, rows: int) -> list[tuple[int, int]]:
    if not count:
        return []
    return rungs(count, rows) if definition.tuning.search == "halving" else [(count, rows)]


def _ranked(trials: Sequence[Trial], definition: PipelineDefinition) -> list[Trial]:
    """Those that worked, best first; the earlier of equals first."""
    sign = 1.0 if definition.tuning.metric in LOWER_IS_BETTER else -1.0
    measured = [trial for trial in trials if not math.isnan(trial.mean)]
    return sorted(measured, key=lambda trial: (-trial.rows, sign * trial.mean))


def _best(trials: Sequence[Trial], definition: PipelineDefinition) -> Mapping[str, Any]:
    ranked = _ranked(trials, definition)
    if trials and not ranked:
        raise InvalidInput(
            f"no combination of tuning.space worked: {trials[0].failure or 'undefined metric'}",
            field="tuning.space",
        )
    return ranked[0].parameters if trials else {}


def _shown(trial: Trial) -> dict[str, Any]:
    known = {"parameters": trial.parameters, "rows": trial.rows, "mean": trial.mean}
    return known | {"failure": trial.failure}


def record_search(record: MlflowRun, found: Search) -> None:
    """The chosen parameters, and one point of the curve per combination tried."""
    record.parameters({f"best_{name}": value for name, value in found.best.items()})
    record.metrics({"tuning_trials": len(found.trials), "tuning_planned": found.planned})
    for step, trial in enumerate(found.trials):
        measured = {"tuning_mean": trial.mean, "tuning_trial_seconds": trial.seconds}
        measured["tuning_rows"] = trial.rows
        record.metrics(finite(measured), step=step)
