"""One training run of one pipeline, from data to a proposed version."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.request import new_request_id
from mlplatform.errors import PlatformError
from mlplatform.registry.publish import MlflowRun, Publisher, Status
from mlplatform.registry.store import ModelStore
from mlplatform.settings import Settings, require
from mlplatform.telemetry import logger, serve_metrics
from mlplatform.trainer.api import PatientClient
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.credentials import refuse_databases
from mlplatform.trainer.interrupt import orderly_end
from mlplatform.trainer.lease import HeldLease
from mlplatform.trainer.report.summary import TrainingSummary
from mlplatform.trainer.run import travel
from mlplatform.trainer.timer import StepTimer

_log = logger("trainer")


def run(settings: Settings, pipeline: str, *, reason: str = "") -> TrainingSummary:
    """Train `pipeline` once; returns when the new version is proposed.

    Raises Refused when a gate or case does not hold (the report is in MLflow, nothing is
    registered) or another run holds the lease, InvalidInput for data or code that can't be used,
    TryLater when a collaborator is away. However it ends, the lease is given back and the MLflow
    run says how. SIGTERM and the definition's `timeout_s` end it in the same orderly way.
    """
    refuse_databases(settings)
    token = require(settings.dataapi.token, "dataapi", "token")
    serve_metrics(settings.telemetry)
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_request_id()}"
    with ExitStack() as stack, structlog.contextvars.bound_contextvars(pipeline=pipeline):
        stack.enter_context(orderly_end())
        api = stack.enter_context(PatientClient(settings.dataapi.url, token))
        store = stack.enter_context(
            ModelStore(settings.registry.url, credentials=settings.registry.credentials)
        )
        lease = stack.enter_context(
            HeldLease(stack.enter_context(DataApi(settings.dataapi.url, token)), pipeline, holder)
        )
        publisher = Publisher(settings.registry.url, credentials=settings.registry.credentials)
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="mlplatform-train-", dir=_work(settings))
            )
        )
        journal = StepTimer(pipeline, before=lease.require)
        with _recorded(publisher, pipeline, journal, reason, holder) as record:
            works = RunContext(
                settings=settings,
                api=api,
                store=store,
                publisher=publisher,
                run=record,
                journal=journal,
                folder=folder,
            )
            outcome = travel(works, pipeline, reason)
    _log.info(
        "proposed", version=outcome.version, state=outcome.state, metrics=dict(outcome.metrics)
    )
    print(outcome.summary(), file=sys.stdout)  # noqa: T201 - the answer of the command; logs go to stderr
    return outcome


@contextmanager
def _recorded(
    publisher: Publisher, pipeline: str, journal: StepTimer, reason: str, holder: str
) -> Iterator[MlflowRun]:
    """An MLflow run that ends as this block ends, with the durations of the steps."""
    tags = {"pipeline": pipeline, "reason": reason or "not said", "holder": holder}
    run = publisher.start(pipeline, name=f"{pipeline} {holder[-12:]}", tags=tags)
    with structlog.contextvars.bound_contextvars(run_id=run.id):
        try:
            yield run
        except BaseException as error:
            killed = isinstance(error, SystemExit | KeyboardInterrupt)
            _log.error(
                "run failed", error=str(error) or type(error).__name__, kind=type(error).__name__
            )
            _finish(
                publisher,
                run,
                journal,
                "KILLED" if killed else "FAILED",
                str(error) or type(error).__name__,
            )
            raise
        _finish(publisher, run, journal, "FINISHED", "")


def _finish(
    publisher: Publisher, run: MlflowRun, journal: StepTimer, status: Status, failure: str
) -> None:
    """End the MLflow run.

    When MLflow is away too, the first error is the one that matters, so this one is logged only.
    """
    try:
        publisher.metrics(
            run, {f"seconds_{step}": seconds for step, seconds in journal.seconds.items()}
        )
        if failure:
            publisher.tags(run, {"failure": failure})
        publisher.finish(run, status)
    except PlatformError as error:
        _log.error("MLflow was not told how the run ended", status=status, error=str(error))


def _work(settings: Settings) -> Path | None:
    if settings.trainer.work is not None:
        settings.trainer.work.mkdir(parents=True, exist_ok=True)
    return settings.trainer.work
