"""Fit the author's estimator with the parameters that the search found best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput
from mlplatform.registry.publish import MlflowRun
from mlplatform.telemetry import logger
from mlplatform.trainer.early_stopping import EarlyStopped, stopping_early
from mlplatform.trainer.estimator import Build
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Pinned
from mlplatform.trainer.weighing import fit

_log = logger("trainer")


def train(
    build: Build,
    rows: LabelledRows,
    pinned: Pinned,
    best: Mapping[str, Any],
    record: MlflowRun | None = None,
) -> Any:
    """The estimator, fitted on all of `rows`, or on all but those that decide when it stops.

    How many trees it stopped with is noted in the MLflow run. Raises InvalidInput when its `fit`
    fails.
    """
    estimator = fit_best(build, rows, pinned, best)
    return _stopped(estimator, record) if isinstance(estimator, EarlyStopped) else estimator


def fit_best(
    build: Build, rows: LabelledRows, pinned: Pinned, best: Mapping[str, Any]
) -> EarlyStopped | Any:
    """The same, still as it was fitted. Raises InvalidInput when its `fit` fails."""
    estimator = stopping_early(build, rows, pinned.definition)(dict(best))
    try:
        table = frame(rows.features, pinned.features.features)
        fit(estimator, table, rows.labels, rows.weights)
    except InvalidInput:
        raise
    except Exception as error:  # the author's estimator may raise anything
        raise InvalidInput(
            f"model.py: fit failed with {dict(best)}: {error!r}", field="model.py"
        ) from error
    return estimator


def _stopped(estimator: EarlyStopped, record: MlflowRun | None) -> Any:
    record_trees(estimator.trees, record)
    return estimator.estimator_


def record_trees(trees: int, record: MlflowRun | None) -> None:
    """Note how many trees early stopping left, in the log and in the MLflow run."""
    _log.info("stopped early", trees=trees)
    if record is not None:
        record.metrics({"trees": trees})
