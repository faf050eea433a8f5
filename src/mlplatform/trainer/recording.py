"""The MLflow run of a training: begun before the first step, ended however the training ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from mlplatform.contracts.lease import Lease
from mlplatform.errors import PlatformError
from mlplatform.registry.publish import MlflowRun, Publisher, Status
from mlplatform.telemetry import logger
from mlplatform.trainer.timer import StepTimer

_log = logger("trainer")


@contextmanager
def recorded(
    publisher: Publisher, timer: StepTimer, reason: str, lease: Lease
) -> Iterator[MlflowRun]:
    """An MLflow run that ends as this block ends, with the durations of the steps."""
    pipeline = lease.pipeline
    tags = {"pipeline": pipeline, "reason": reason or "not said", "holder": lease.holder}
    # By the tag `run` the MLflow run is found from the ledger and from receipts.
    run = publisher.start(
        pipeline, name=f"{pipeline} {lease.run[-12:]}", tags=tags | {"run": lease.run}
    )
    with structlog.contextvars.bound_contextvars(run_id=run.id):
        try:
            yield run
        except BaseException as error:  # SIGTERM and the time limit are no Exceptions
            failure, kind = str(error) or type(error).__name__, type(error).__name__
            _log.error("run failed", error=failure, kind=kind)
            killed = isinstance(error, SystemExit | KeyboardInterrupt)
            _finish(run, timer, "KILLED" if killed else "FAILED", failure)
            raise
        _finish(run, timer, "FINISHED", "")


def _finish(run: MlflowRun, timer: StepTimer, status: Status, failure: str) -> None:
    """End the MLflow run.

    When MLflow is away too, the first error is the one that matters, so this one is logged only.
    """
    try:
        run.metrics({f"seconds_{step}": seconds for step, seconds in timer.seconds.items()})
        if failure:
            run.tags({"failure": failure})
        run.finish(status)
    except PlatformError as error:
        _log.error("MLflow does not know how the run ended", status=status, error=str(error))
