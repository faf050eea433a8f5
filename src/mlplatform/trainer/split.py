"""Held-out rows: a seeded draw, or the latest ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold, TimeSeriesSplit, train_test_split

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.trainer.table import Table


def split(table: Table, definition: PipelineDefinition) -> tuple[Table, Table]:
    """(train, test). The same table, definition and seed give the same rows. A random draw keeps the shares of the classes.

    By time, train is ordered by time as well, and rows of one instant keep the order of (request_id, row).
    """
    positions = np.arange(len(table), dtype=np.int64)
    if definition.split.by == "time":
        ordered = np.argsort(table.times, kind="stable").astype(np.int64)
        held = max(1, round(len(table) * definition.split.test_share))
        train, test = ordered[:-held], ordered[-held:]
    else:
        train, test = _draw(positions, table, definition)
    _whole(table.take(train), definition)
    return table.take(train), table.take(test)


def folds(definition: PipelineDefinition) -> BaseCrossValidator:
    """How the training rows are divided for cross-validation, in the same spirit as the split."""
    if definition.split.by == "time":
        return TimeSeriesSplit(n_splits=definition.tuning.folds)
    kind = StratifiedKFold if definition.task == "classification" else KFold
    return kind(n_splits=definition.tuning.folds, shuffle=True, random_state=definition.split.seed)


def _draw(positions: NDArray[np.int64], table: Table, definition: PipelineDefinition) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    classes = table.labels.astype(str) if definition.task == "classification" else None
    train, test = train_test_split(
        positions, test_size=definition.split.test_share, random_state=definition.split.seed, shuffle=True, stratify=classes
    )
    return np.sort(train), np.sort(test)


def _whole(train: Table, definition: PipelineDefinition) -> None:
    """A split by time may leave a class entirely to the test rows; no model can learn that."""
    if definition.task == "classification" and len(np.unique(train.labels.astype(str))) < 2:
        raise InvalidInput("the training rows hold only one class after the split by time", field="split", fix="hold out fewer rows")
