"""Wait until etl has made the features of everything that was stored before the run began."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.errors import Refused, Unavailable
from mlplatform.telemetry import logger
from mlplatform.trainer.results import Pinned

_log = logger("trainer")


def wait_for_features(
    api: DataApi,
    pinned: Pinned,
    stored_before: datetime,
    *,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> FeaturesProgress:
    """The progress of the pinned digest once it is ready; its `mark` covers all rows it counts.

    Raises Refused when etl can't run features.py, Unavailable when it isn't done after `wait_s`.
    """
    name, digest, deadline = pinned.definition.name, pinned.digest, clock() + wait_s
    while True:
        progress = api.features_progress(name, digest, stored_before=stored_before)
        if progress.failure:  # of these very bytes: waiting can't mend that
            raise _failed(progress)
        if progress.ready:
            return progress
        if clock() >= deadline:
            raise _not_ready(progress, wait_s)
        _log.info("waiting for etl", waiting_requests=progress.waiting_requests)
        # The last pause ends at the deadline, and never becomes a busy loop just before it.
        sleep(min(1.0, max(0.05, deadline - clock())))


def _failed(progress: FeaturesProgress) -> Refused:
    return Refused(
        f"etl can't make the features: {progress.failure}",
        fix="mend that, most often in features.py; then commit and apply it",
    )


def _not_ready(progress: FeaturesProgress, wait_s: float) -> Unavailable:
    return Unavailable(
        f"features {progress.digest[:12]}… are not ready after {wait_s:g} s: "
        f"{progress.waiting_requests} requests wait",
        fix="is etl running? MLPLATFORM_TRAINER__WAIT_S sets how long to wait",
        retry_after_s=60.0,
    )
