"""Held-out rows: by a hash of what the row is about, or the latest ones.

A champion is judged on the held-out rows of a later run. So a row must not change sides when the
table grows: whoever was trained on a row that is held out now would be judged on its own lessons,
and could not be beaten by an honest model.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold, TimeSeriesSplit

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.trainer.labelled_rows import LabelledRows

_WHOLE = 2.0**64


def split(table: LabelledRows, definition: PipelineDefinition) -> tuple[LabelledRows, LabelledRows]:
    """(train, test), neither empty. The same table, definition and seed give the same rows.

    At random, a row keeps its side for as long as seed and share stay, whatever other rows come and
    go; rows of one key are on one side. By time, train is ordered by time as well, and rows of one
    instant keep the order of (request_id, row). Raises InvalidInput when a class is nowhere in
    train: no model can learn it.
    """
    if definition.split.by == "time":
        ordered = np.argsort(table.times, kind="stable").astype(np.int64)
        held = max(1, round(len(table) * definition.split.test_share))
        train, test = table.take(ordered[:-held]), table.take(ordered[-held:])
    else:
        out = _held_out(_places(table, definition.split.seed), definition.split.test_share)
        train, test = (
            table.take(np.flatnonzero(~out).astype(np.int64)),
            table.take(np.flatnonzero(out).astype(np.int64)),
        )
    _whole(table, train, definition)
    return train, test


def folds(definition: PipelineDefinition) -> BaseCrossValidator:
    """How the training rows are divided for cross-validation, in the same spirit as the split."""
    if definition.split.by == "time":
        return TimeSeriesSplit(n_splits=definition.tuning.folds)
    kind = StratifiedKFold if definition.task == "classification" else KFold
    return kind(n_splits=definition.tuning.folds, shuffle=True, random_state=definition.split.seed)


def _places(table: LabelledRows, seed: int) -> NDArray[np.float64]:
    """For each row a number in [0, 1) that is drawn once for all by the seed and its key, or (request_id, row) where it has none."""
    salt = hashlib.sha256(str(seed).encode()).hexdigest()[:16]
    own = _hashed(table.request_ids, salt) ^ pd.util.hash_array(table.rows.astype(np.int64))
    keyless = np.fromiter((key is None for key in table.keys), dtype=np.bool_, count=len(table))
    drawn = np.where(
        keyless, pd.util.hash_array(own), _hashed(np.where(keyless, "", table.keys), salt)
    )
    return np.asarray(drawn / _WHOLE, dtype=np.float64)


def _hashed(names: NDArray[np.object_], salt: str) -> NDArray[np.uint64]:
    return np.asarray(
        pd.util.hash_array(names.astype(np.object_), hash_key=salt, categorize=False),
        dtype=np.uint64,
    )


def _held_out(places: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Below the share; in a tiny table at least one row, or what goes with it, on each side: the nearest to it."""
    if len(np.unique(places)) < 2:
        raise InvalidInput("all rows have one key: there is nothing to hold out", field="key")
    return np.asarray(
        (places < share) & (places < places.max()) | (places == places.min()), dtype=np.bool_
    )


def _whole(table: LabelledRows, train: LabelledRows, definition: PipelineDefinition) -> None:
    if definition.task != "classification":
        return
    absent = sorted(set(table.labels.astype(str)) - set(train.labels.astype(str)))
    if absent:
        raise InvalidInput(
            f"all rows of class {', '.join(absent)} are among the held-out ones, no model can learn it",
            field="split",
            fix="bring more rows of it, hold out fewer rows, or take another seed",
        )
