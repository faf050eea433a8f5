"""What the nodes of a Ray cluster compute: the dataset, one trial, the fit.

Plain functions, which `mlplatform.trainer.ray.job` runs as tasks. They use the steps of a
training in the trainer, so that the numbers are the same.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlplatform import settings
from mlplatform.client.dataapi import DataApi
from mlplatform.client.dataset import download
from mlplatform.contracts.ray_job import RayTask
from mlplatform.engine.skops import frame
from mlplatform.errors import DatasetIncomplete
from mlplatform.features.acceptance import Accepted
from mlplatform.features.code import FeatureSet
from mlplatform.features.probe import Probes
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.early_stopping import EarlyStopped
from mlplatform.trainer.estimator import Build, builder
from mlplatform.trainer.labelled_rows import LabelledRows, from_arrow
from mlplatform.trainer.ray import native
from mlplatform.trainer.ray.suited import format_of
from mlplatform.trainer.results import Pinned, Trial
from mlplatform.trainer.steps.split import sides
from mlplatform.trainer.steps.train import fit_best
from mlplatform.trainer.steps.tune import cross_validation


@dataclass(frozen=True)
class Fitted:
    """A booster that was fitted on all training rows."""

    format: str
    data: bytes
    classes: tuple[str, ...]
    trees: int | None
    answers: tuple[tuple[float, ...], ...]


def counted_rows(task: RayTask) -> tuple[LabelledRows, int]:
    """`training_rows`, and how many they are."""
    rows = training_rows(task)
    return rows, len(rows)


def training_rows(task: RayTask) -> LabelledRows:
    """The same training rows as the trainer's, read from the data API with the run's token.

    Raises DatasetIncomplete when the data API gives other rows.
    """
    given, definition = task.receipt, task.definition
    query = given.query.model_copy(update={"as_of": given.as_of})
    dataapi = settings.load().dataapi
    with DataApi(dataapi.url, dataapi.token) as api:
        found = download(api, given.dataset, query, deadline_s=task.wait_s)
    if (found.receipt.rows, found.receipt.sha256) != (given.rows, given.sha256):
        raise DatasetIncomplete(
            f"dataset '{given.dataset}' is not what the trainer read: {found.receipt.rows} rows "
            f"with SHA-256 {found.receipt.sha256[:12]}…, its receipt {given.id} says {given.rows} "
            f"with {given.sha256[:12]}…"
        )
    columns = dict(zip(found.table.column_names, found.table.columns, strict=True))
    del found
    rows = from_arrow(
        columns, task.features, definition.target, key=definition.key, weight=definition.weight
    )
    train, _ = sides(rows, definition)
    return rows.divide(train)[0]


def tried(
    rows: LabelledRows,
    task: RayTask,
    parameters: dict[str, Any],
    *,
    count: int,
    ends: float,
) -> Trial | None:
    """One trial on so many of the rows; None when it would begin after `ends`, of `time.time`."""
    if time.time() > ends:
        return None
    validation = cross_validation(_build(task), rows, _pinned(task), jobs=1)
    return validation.of(count).run(parameters, time.monotonic)


def fitted(rows: LabelledRows, task: RayTask, best: dict[str, Any]) -> Fitted:
    """The booster with these parameters. Raises InvalidInput when its fit fails."""
    pinned = _pinned(task)
    found = fit_best(_build(task), rows, pinned, best)
    stopped = isinstance(found, EarlyStopped)
    booster = found.estimator_ if stopped else found
    return Fitted(
        format=format_of(booster),
        data=native.written(booster),
        classes=native.classes(booster),
        trees=found.trees if stopped else None,
        answers=native.answers(booster, frame(rows.features, pinned.features.features)),
    )


def _build(task: RayTask) -> Build:
    """model.py's, with the CPUs that Ray gives a task where the author left that open."""
    build, training = builder(_pinned(task)), task.definition.training
    assert training is not None

    def bounded(parameters: dict[str, Any]) -> Any:
        estimator = build(parameters)
        if estimator.get_params().get("n_jobs") is None:
            estimator.set_params(n_jobs=training.cpus)
        return estimator

    return bounded


def _pinned(task: RayTask) -> Pinned:
    definition, digest = task.definition, task.features_digest
    features = FeatureSet(  # of which only names and types count here: nothing is engineered
        digest=digest,
        inputs=definition.inputs,
        accepted=Accepted(task.features, Probes()),
        engineer=None,
        where=f"pipelines/{definition.name}/features.py",
    )
    files = PipelineFiles(definition, None, _model_file(task.model_py), None)
    return Pinned(definition, task.commit, digest, files, features)


@cache
def _model_file(text: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-ray-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "model.py").write_text(text)
    return folder / "model.py"
