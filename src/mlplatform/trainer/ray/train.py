"""Search and fit on a Ray cluster: what the trainer does about it.

The model comes back as XGBoost's or LightGBM's own file, which is read in a child process without
credentials, as an imported one: nothing that the cluster sends can run code here.
"""

from __future__ import annotations

import hashlib
import time
from functools import partial
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlplatform.client.history import recent_rows
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.ray_job import ENTRYPOINT, RayResult, RayTask
from mlplatform.engine.foreign.apart import ForeignModel
from mlplatform.engine.foreign.file import ForeignFile
from mlplatform.engine.limits import READ_MEMORY, TrialLimits
from mlplatform.errors import IntegrityFailure, InvalidInput, UnfitModel
from mlplatform.telemetry import logger
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.ray.follow import RayJob
from mlplatform.trainer.ray.jobs import RayJobs
from mlplatform.trainer.ray.suited import require_address, require_suited
from mlplatform.trainer.results import Parts, Pinned, Search, TrainedModel, Trial
from mlplatform.trainer.steps.export import export_model
from mlplatform.trainer.steps.train import record_trees
from mlplatform.trainer.steps.try_model import try_model
from mlplatform.trainer.steps.tune import record_search

TASK, RESULT = "task.json", "result.json"
MOST_RESULT = 64 * 1024 * 1024
FETCH_S = 300.0
_FOLDER = "ray"
_log = logger("trainer")


def refuse_unsuited(context: RunContext, pinned: Pinned) -> None:
    """What would only show after the data was read. Runs model.py's build, once."""
    definition = pinned.definition
    if definition.training is None:
        return
    require_address(definition, context.ray.settings)
    require_suited(definition, builder(pinned)(definition.tuning.ends()[1]))


def train_on_ray(context: RunContext, pinned: Pinned, parts: Parts) -> tuple[Search, TrainedModel]:
    """The search and the exported model, both computed on the cluster, proven here."""
    record, timer = context.record, context.timer
    with timer.step("ray"):
        result, data = _computed(context, pinned, parts)
        search = _search(result)
        record_search(record, search)
        if result.trees is not None:
            record_trees(result.trees, record)
    with timer.step("read"):
        source = _read(context, pinned, result, data)
        _require_same_answers(source, parts.train.features, result)
    with timer.step("export"):
        model = _exported(context, source, pinned, parts)
    source.end()
    return search, model


def _computed(context: RunContext, pinned: Pinned, parts: Parts) -> tuple[RayResult, bytes]:
    folder, job = f"{context.record.artifacts}/{_FOLDER}", f"mlplatform-{context.record.id}"
    path, ray = context.folder / TASK, context.ray
    path.write_text(_task(context, pinned, parts).model_dump_json(indent=1))
    context.store.upload(f"{folder}/{TASK}", path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with RayJobs(ray.settings) as jobs:
        running = RayJob(jobs, job, lost_s=ray.settings.lost_s)
        with running.submitted(f"{ENTRYPOINT} {folder} {digest}", ray.environment):
            sha256 = running.result(context.timer.check)
    return _handed_back(context, folder, sha256)


def _task(context: RunContext, pinned: Pinned, parts: Parts) -> RayTask:
    return RayTask(
        definition=pinned.definition,
        commit=pinned.commit,
        features_digest=pinned.digest,
        features=pinned.features.features,
        model_py=pinned.files.model.read_text(),
        receipt=parts.receipt,
        wait_s=context.wait_s,
        seconds=pinned.definition.timeout_s,
    )


def _handed_back(context: RunContext, folder: str, sha256: str) -> tuple[RayResult, bytes]:
    """The result and the model file, which must be those that the job has named."""
    fetch = partial(context.store.read_within, deadline=time.monotonic() + FETCH_S)
    document = fetch(f"{folder}/{RESULT}", most_bytes=MOST_RESULT)
    _require_digest(document, sha256, RESULT)
    try:
        result = RayResult.model_validate_json(document)
    except ValidationError as error:
        raise InvalidInput(f"{RESULT} of the Ray job is not a result: {error}") from error
    data = fetch(f"{folder}/{result.file}", most_bytes=result.size)
    _require_digest(data, result.sha256, result.file)
    _log.info("ray handed back", format=result.format, bytes=result.size, trials=result.planned)
    return result, data


def _require_digest(data: bytes, sha256: str, name: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityFailure(f"{name} in MLflow is not what the Ray job wrote", field=name)


def _search(result: RayResult) -> Search:
    trials = tuple(Trial(**dict(trial)) for trial in result.trials)
    return Search(trials, result.planned, result.best)


def _read(context: RunContext, pinned: Pinned, result: RayResult, data: bytes) -> ForeignModel:
    definition, limits = pinned.definition, context.limits
    file = ForeignFile(
        result.format,
        data,
        pinned.features.features,
        definition.task,
        definition.target,
        result.classes,
        context.trusted,
    )
    times = TrialLimits(limits.time_s, READ_MEMORY * limits.memory_bytes)
    return ForeignModel(file, times, allowed=definition.export.format)


def _require_same_answers(source: ForeignModel, rows: Columns, result: RayResult) -> None:
    """The file must answer as the booster did that it was written from."""
    count = len(result.answers)
    found = source.predict({name: values[:count] for name, values in rows.items()})
    own: Any = found.get("probabilities", found["prediction"])
    expected = np.asarray(result.answers, dtype=np.float64)
    if not np.allclose(np.asarray(own).reshape(count, -1), expected, rtol=1e-5, atol=1e-6):
        raise UnfitModel(
            f"the {result.format} file answers otherwise than the booster on Ray did",
            field="model.py",
            fix="Ray's image may hold another version of the library than the trainer's: build "
            "both from one commit; or a parameter of the booster is not kept in its file",
        )


def _exported(
    context: RunContext, source: ForeignModel, pinned: Pinned, parts: Parts
) -> TrainedModel:
    trials, history = context.trials, partial(recent_rows, context.api, pinned.definition)
    trial = partial(try_model, pinned=pinned, trials=trials, history=history)
    folder = context.folder / "model"
    return export_model(source, pinned, parts, folder, open_model=trials.open, trial=trial)
