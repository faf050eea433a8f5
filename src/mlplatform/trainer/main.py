"""The trainer's process: one training run of one pipeline, from data to a proposed version.

`mlplatform.trainer.begin` takes the lease before. What runs here has only the token of its run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from mlplatform.client.dataapi import DataApi
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.trials import Trials
from mlplatform.registry.publish import Publisher
from mlplatform.registry.store import ModelStore
from mlplatform.settings import RegistrySettings, Settings
from mlplatform.source.checkout import checkout
from mlplatform.telemetry import logger
from mlplatform.trainer import handover
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.credentials import refuse_databases, require_run_token
from mlplatform.trainer.interrupt import orderly_end, take_sigterm
from mlplatform.trainer.lease import HeldLease
from mlplatform.trainer.ray.access import RayAccess
from mlplatform.trainer.recording import recorded
from mlplatform.trainer.report.summary import TrainingSummary
from mlplatform.trainer.reporter import reported
from mlplatform.trainer.run import run_training
from mlplatform.trainer.run_import import run_import
from mlplatform.trainer.timer import StepTimer
from mlplatform.work_pages import serve_pages

RETRY_S = 45.0
"""How long one call to the data API is repeated: an hour of work survives a short outage.

Below the lease's time: a run that could not reach the data API for longer has lost its lease
anyway.
"""
_log = logger("trainer")


def run(
    settings: Settings, pipeline: str, *, reason: str = "", imported: Path | None = None
) -> TrainingSummary:
    """Train `pipeline` once, or import the model of a folder of `handover`; with the run's token.

    Returns when the new version is proposed. Raises NotGoodEnough when a gate or case does not hold
    (the report is in MLflow, nothing is registered), InvalidInput for data or code that can't be
    used, TryLater when a server is away. However it ends, the lease is given back, and MLflow and
    the run's record say how; SIGTERM and the definition's `timeout_s` end it in the same way.
    """
    refuse_databases(settings)
    require_run_token(settings)
    _warn_of_root()
    serve_pages(settings.telemetry)
    with (
        structlog.contextvars.bound_contextvars(pipeline=pipeline),
        orderly_end(),
        _opened(settings, pipeline, reason) as context,
    ):
        summary = _done(context, pipeline, reason, imported)
    metrics = dict(summary.metrics)
    _log.info("proposed", version=summary.version, state=summary.state, metrics=metrics)
    # The command's output; logs go to stderr.
    print(summary.text(), file=sys.stdout)  # noqa: T201
    return summary


def _done(
    context: RunContext, pipeline: str, reason: str, imported: Path | None
) -> TrainingSummary:
    if imported is None:
        return run_training(context, pipeline, reason)
    return run_import(context, pipeline, reason, handover.read(imported))


def _warn_of_root() -> None:
    if os.geteuid() == 0:
        _log.warning(
            "this training runs as root: model.py can read everything on this machine",
            fix="`mlplatform doctor` says why it has no user of its own",
        )


@contextmanager
def _opened(settings: Settings, pipeline: str, reason: str) -> Iterator[RunContext]:
    """Everything that a run needs, closed in reverse: the MLflow run first, the lease later."""
    url, token, registry = settings.dataapi.url, settings.dataapi.token, settings.registry
    with ExitStack() as stack:
        api = stack.enter_context(DataApi(url, token, retry_s=RETRY_S))
        store = stack.enter_context(ModelStore(registry.url, credentials=registry.credentials))
        plain = stack.enter_context(DataApi(url, token))  # HeldLease says why it must not retry
        lease = stack.enter_context(HeldLease(plain, pipeline))
        take_sigterm()
        publisher = Publisher(registry.url, credentials=registry.credentials)
        reporter = stack.enter_context(reported(plain, lease.record))
        timer = StepTimer(pipeline, check=lease.require, on_step=reporter.step)
        record = stack.enter_context(recorded(publisher, timer, reason, lease.record))
        reporter.note(mlflow_run=record.id)
        yield RunContext(
            folder=stack.enter_context(_scratch(settings.trainer.work)),
            api=api,
            store=store,
            record=record,
            timer=timer,
            reporter=reporter,
            checkout=lambda commit: checkout(settings.source, ref=commit),
            started=datetime.now(UTC),
            wait_s=settings.trainer.wait_s,
            grace_s=settings.trainer.grace_s,
            jobs=settings.trainer.jobs,
            trusted=registry.skops_trusted,
            trials=Trials(_limits(registry), trusted=registry.skops_trusted),
            limits=_limits(registry),
            image=settings.trainer.image,
            ray=RayAccess.of(settings),
        )


def _limits(registry: RegistrySettings) -> TrialLimits:
    return TrialLimits(registry.load_s, registry.load_memory_bytes)


@contextmanager
def _scratch(work: Path | None) -> Iterator[Path]:
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlplatform-train-", dir=work) as folder:
        yield Path(folder)
