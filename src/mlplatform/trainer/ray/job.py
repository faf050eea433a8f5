"""The job that a training submits to a Ray cluster; it runs in the image of the cluster's pods.

    python -m mlplatform.trainer.ray.job ARTIFACTS SHA256

It finds its task below that folder of MLflow's artifacts, and leaves its result there. This process
only decides what is tried; rows and models stay on the nodes that have the resources of
pipeline.yaml. It ends itself when its time is up, and when the run that submitted it has ended: so
a trainer that was killed leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlplatform import settings
from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.pipeline import TrainingEngine
from mlplatform.contracts.ray_job import RESULT_LINE, RayResult, RayTask, RayTrial
from mlplatform.errors import IntegrityFailure, PlatformError, Unauthenticated
from mlplatform.registry.store import ModelStore
from mlplatform.trainer.ray import work
from mlplatform.trainer.results import Search, Trial
from mlplatform.trainer.steps.tune import search_by

TASK, RESULT = "task.json", "result.json"
WATCH_S = 10.0
"""How often the run is looked after; its token dies a minute after its trainer."""
_RETRIES = 2
"""For a task whose node went away: spot nodes do."""


def main() -> None:
    """Do the task; ends with 1 and the reason as the last line when it can't be done."""
    artifacts, sha256 = sys.argv[1:]
    registry = settings.load().registry
    try:
        with ModelStore(registry.url, credentials=registry.credentials) as store:
            task = _task(store.read(f"{artifacts}/{TASK}"), sha256)
            _watch(task)
            result, data = computed(task)
            digest = _handed_back(store, artifacts, result, data)
    except PlatformError as error:
        _say(f"error: {error}")
        sys.exit(1)
    _say(f"{RESULT_LINE}{digest}")


def computed(task: RayTask) -> tuple[RayResult, bytes]:
    """The search and the fit, by tasks on the cluster. Raises what a task raised."""
    ray = _ray()
    ray.init(address="auto", log_to_driver=True)
    try:
        return _computed(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, PlatformError):
            raise error.cause from error
        raise PlatformError(f"a task failed: {error.cause!r}") from error
    except ray.exceptions.RayError as error:
        raise PlatformError(
            f"a task was lost: {error}",
            field="training.memory",
            fix="give a task more memory, if its node ran out of it",
        ) from error


def _computed(task: RayTask) -> tuple[RayResult, bytes]:
    training, ray = task.definition.training, _ray()
    assert training is not None
    _describe_cluster(training)
    # The node that reads the rows keeps them; Ray copies them to others that need them.
    rows, count = _remote(work.counted_rows, training, num_returns=2).remote(task)
    _say(f"{(total := ray.get(count))} training rows")
    found = search_by(task.definition, total, _by_tasks(rows, task, training))
    _say(f"fitting with {dict(found.best)}")
    fitting = _remote(work.fitted, training).remote(rows, task, dict(found.best))
    fitted: work.Fitted = ray.get(fitting)
    return _result(found, fitted), fitted.data


def _by_tasks(
    rows: Any, task: RayTask, training: TrainingEngine
) -> Callable[[Sequence[dict[str, Any]], int], Iterator[Trial]]:
    """Trials as tasks, all of a rung at once: Ray starts as many as the cluster has room for.

    None begins after `tuning.budget_s`, but the first one always does.
    """
    ends, begun = time.time() + task.definition.tuning.budget_s, False
    run = _remote(work.tried, training)

    def tried(plan: Sequence[dict[str, Any]], count: int) -> Iterator[Trial]:
        nonlocal begun
        pending = []
        for parameters in plan:
            limit = ends if begun else float("inf")
            begun = True
            pending.append(run.remote(rows, task, parameters, count=count, ends=limit))
        for trial in map(_ray().get, pending):
            if trial is None:
                _say("tuning time is up")
            else:
                yield trial

    return tried


def _remote(function: Callable[..., Any], training: TrainingEngine, **options: Any) -> Any:
    """A function as a task that takes the resources of pipeline.yaml."""
    memory = training.memory_bytes
    options |= {"num_cpus": training.cpus, "max_retries": _RETRIES}
    if memory is not None:
        options["memory"] = memory
    return _ray().remote(function).options(**options)


def _describe_cluster(training: TrainingEngine) -> None:
    nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
    _say(f"cluster of {len(nodes)} nodes; a task takes {training.model_dump(exclude_none=True)}")
    fits = [
        node.get("CPU", 0) >= training.cpus
        and node.get("memory", 0) >= (training.memory_bytes or 0)
        for node in nodes
    ]
    if not any(fits):
        _say("no node has as much at present: waiting for one (training.cpus, training.memory)")


def _result(found: Search, fitted: work.Fitted) -> RayResult:
    trials = (RayTrial(**{n: getattr(t, n) for n in RayTrial.model_fields}) for t in found.trials)
    return RayResult(
        format=fitted.format,
        file=f"model.{fitted.format}",
        sha256=hashlib.sha256(fitted.data).hexdigest(),
        size=len(fitted.data),
        classes=fitted.classes,
        trees=fitted.trees,
        trials=tuple(trials),
        planned=found.planned,
        best=found.best,
        answers=fitted.answers,
    )


def _task(data: bytes, sha256: str) -> RayTask:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityFailure("the task in MLflow is not the one that the trainer wrote")
    return RayTask.model_validate_json(data)


def _handed_back(store: ModelStore, artifacts: str, result: RayResult, data: bytes) -> str:
    """Upload the result, the model file first; returns the result's digest."""
    record = result.model_dump_json(indent=1).encode()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in ((result.file, data), (RESULT, record)):
            path = Path(folder) / name
            path.write_bytes(content)
            store.upload(f"{artifacts}/{name}", path)
    return hashlib.sha256(record).hexdigest()


def _watch(task: RayTask) -> None:
    """End this process, and with it its tasks, at its time or when its run has ended."""
    deadline, dataapi = time.monotonic() + task.seconds, settings.load().dataapi

    def watch() -> None:
        with DataApi(dataapi.url, dataapi.token) as api:
            while time.monotonic() < deadline:
                try:
                    api.pipeline(task.definition.name)
                except Unauthenticated as error:
                    _end(f"the run that submitted this job has ended: {error}")
                except PlatformError as error:
                    _say(f"the data API does not say whether the run goes on: {error}")
                time.sleep(max(0.0, min(WATCH_S, deadline - time.monotonic())))
        _end(f"timeout_s of pipeline.yaml is over ({task.seconds:g} s)")

    threading.Thread(target=watch, name="watch", daemon=True).start()


def _end(reason: str) -> None:
    _say(f"error: {reason}")
    os._exit(1)  # Ray ends the tasks of a driver that is gone


def _ray() -> Any:
    # Where modules are only looked at, there is no Ray.
    import ray  # noqa: PLC0415

    return ray


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
