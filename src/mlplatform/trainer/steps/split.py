"""Split off the held-out rows: by a hash of what a row is about or holds, or the latest ones.

A champion is judged on the held-out rows of a later run. So a row must not change sides when the
dataset grows: a champion that was trained on a row that is held out now would be judged on its own
lessons, and an honest model could not beat it.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold, TimeSeriesSplit

from mlplatform import memory
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.registry.publish import MlflowRun
from mlplatform.telemetry import logger
from mlplatform.trainer import raw_columns, seen_rows
from mlplatform.trainer.datasets import DatasetReader
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Parts, Pinned, TrainingData
from mlplatform.trainer.seen_rows import SeenRows

_WHOLE = 2.0**64
_PART = 65_536
_log = logger("trainer")


def split(data: TrainingData, pinned: Pinned, datasets: DatasetReader, record: MlflowRun) -> Parts:
    """Train and test rows, and what gates slice the test rows by; noted in the MLflow run.

    The raw columns are read here, before the long work, since they come from another standby that
    may not be there. Uses the rows of `data` up, see LabelledRows.divide.
    """
    train, test = data.rows.divide(*sides(data.rows, pinned.definition))
    memory.give_back()
    parts = Parts(train, test, slicing_columns(datasets, pinned, test), data.receipt)
    _record(record, parts)
    return parts


def hold_out(
    rows: LabelledRows, definition: PipelineDefinition
) -> tuple[LabelledRows, LabelledRows]:
    """(train, test), neither empty. See `sides`."""
    train, test = (rows.take(side) for side in sides(rows, definition))
    return train, test


def sides(
    rows: LabelledRows, definition: PipelineDefinition
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The positions of train and test. The same rows, definition and seed give the same ones.

    At random, a row keeps its side for as long as seed and share stay, whatever other rows come and
    go; rows of one key are on one side. By content, the same holds with a row's features in the
    place of its key. By time, train is ordered by time as well, and rows of one
    instant keep the order of (request_id, row). Raises InvalidInput when a class is nowhere in
    train: no model can learn it.
    """
    if definition.split.by == "time":
        ordered = np.argsort(rows.times, kind="stable").astype(np.int64)
        held = max(1, round(len(rows) * definition.split.test_share))
        train, test = ordered[:-held], ordered[-held:]
    else:
        out = _held_out(_places(rows, definition), definition)
        train, test = (np.flatnonzero(side).astype(np.int64) for side in (~out, out))
    _require_all_classes(rows.labels, rows.labels[train], definition)
    return train, test


def slicing_columns(datasets: DatasetReader, pinned: Pinned, test: LabelledRows) -> Columns:
    """Features of the test rows, and the raw columns that gates slice by.

    Raw requests are read only when a gate names a raw column. They are in another database, whose
    marks are its own: its standby is read again until it has the rows.
    """
    named = {gate.slice for gate in pinned.definition.gates}
    raw = [
        column
        for column in pinned.definition.inputs
        if column.name in named - pinned.definition.redact.keys() - test.features.keys()
    ]
    if not raw:
        return test.features
    name = f"{pinned.definition.name}.requests"
    query = DatasetQuery(columns=("request_id", "inputs"))
    found = datasets.until_complete(
        lambda: raw_columns.of_rows(datasets.read(name, query).table, test, raw)
    )
    return {**test.features, **found}


def _record(record: MlflowRun, parts: Parts) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "receipt.json").write_text(parts.receipt.model_dump_json(indent=1))
        record.files(Path(folder), "")
    record.metrics({f"rows_{part}": count for part, count in parts.sizes.items()})
    record.metrics({"dataset_lag_bytes": parts.receipt.lag_bytes})
    _record_seen(record, parts.seen)


def _record_seen(record: MlflowRun, seen: SeenRows) -> None:
    same_label = seen.same_label / seen.held_out
    record.metrics({"test_seen_share": seen.share, "test_seen_same_label_share": same_label})
    log = _log.warning if seen.many else _log.info
    log("held-out rows seen in training", **asdict(seen), share=round(seen.share, 4))


def folds(definition: PipelineDefinition) -> BaseCrossValidator:
    """How the training rows are divided for cross-validation, in the same spirit as the split."""
    if definition.split.by == "time":
        return TimeSeriesSplit(n_splits=definition.tuning.folds)
    kind = StratifiedKFold if definition.task == "classification" else KFold
    return kind(n_splits=definition.tuning.folds, shuffle=True, random_state=definition.split.seed)


def deciding_rows(rows: LabelledRows, definition: PipelineDefinition) -> NDArray[np.bool_] | None:
    """Which training rows decide when a booster stops, drawn as the held-out rows were.

    None by time: the latest of those that it is fitted on.
    """
    if definition.early_stopping is None or definition.split.by == "time":
        return None
    places = _places(rows, definition, draw=" early stopping")
    return np.asarray(places < definition.early_stopping.share, dtype=np.bool_)


def _places(
    rows: LabelledRows, definition: PipelineDefinition, *, draw: str = ""
) -> NDArray[np.float64]:
    """For each row a number in [0, 1), drawn once for all by the seed and what identifies the row.

    That is its key, or (request_id, row) where it has none; in a split by content its features.
    Another `draw` gives other numbers.
    """
    salt = hashlib.sha256(f"{definition.split.seed}{draw}".encode()).hexdigest()[:16]
    if definition.split.by == "content":
        return np.asarray(seen_rows.digests(rows.features, int(salt, 16)) / _WHOLE, np.float64)
    own = _hashed(rows.request_ids, salt) ^ pd.util.hash_array(rows.rows.astype(np.int64))
    keyless = np.fromiter((key is None for key in rows.keys), dtype=np.bool_, count=len(rows))
    drawn = pd.util.hash_array(own)
    drawn[~keyless] = _hashed(rows.keys[~keyless], salt)
    return np.asarray(drawn / _WHOLE, dtype=np.float64)


def _hashed(names: NDArray[Any], salt: str) -> NDArray[np.uint64]:
    found = np.empty(len(names), dtype=np.uint64)
    for at in range(0, len(names), _PART):  # a Python string for each of them, but not at once
        part = names[at : at + _PART].astype(np.object_)
        found[at : at + _PART] = pd.util.hash_array(part, hash_key=salt, categorize=False)
    return found


def _held_out(places: NDArray[np.float64], definition: PipelineDefinition) -> NDArray[np.bool_]:
    """Rows below the share; in a tiny dataset at least the nearest key to it on each side."""
    share, content = definition.split.test_share, definition.split.by == "content"
    if len(np.unique(places)) < 2:
        what, field = ("the same features", "split.by") if content else ("one key", "key")
        raise InvalidInput(f"all rows have {what}: there is nothing to hold out", field=field)
    return np.asarray(
        (places < share) & (places < places.max()) | (places == places.min()), dtype=np.bool_
    )


def _require_all_classes(
    labels: NDArray[Any], train: NDArray[Any], definition: PipelineDefinition
) -> None:
    if definition.task != "classification":
        return
    absent = sorted(set(map(str, pd.unique(labels))) - set(map(str, pd.unique(train))))
    if absent:
        raise InvalidInput(
            f"all rows of class {', '.join(absent)} are held out, no model can learn it",
            field="split",
            fix="bring more rows of it, hold out fewer rows, or take another seed",
        )
