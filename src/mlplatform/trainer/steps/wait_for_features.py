"""Wait until etl has made the feature rows of a digest for everything that was stored before the run began."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from mlplatform.client.dataapi import DataApi
from mlplatform.errors import Refused, Unavailable
from mlplatform.telemetry import logger

_log = logger("trainer")


def wait_for_features(
    api: DataApi,
    pipeline: str,
    digest: str,
    *,
    stored_before: datetime,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """The data API's progress of this digest once it is ready (featured, quarantined, the mark that holds all of it …).

    Raises Refused when etl can't run the features code, Unavailable when it isn't done after
    `wait_s`.
    """
    path, deadline = f"/v1/pipelines/{quote(pipeline)}/features/{digest}", clock() + wait_s
    while True:
        progress: dict[str, Any] = api.get(path, stored_before=stored_before.isoformat())
        if progress.get("failure"):
            raise Refused(
                f"etl can't make the features: {progress['failure']}",
                fix="correct features.py, commit and apply it",
            )
        if progress["ready"]:
            return progress
        if clock() >= deadline:
            raise Unavailable(
                f"features {digest[:12]}… are not ready after {wait_s:g} s: {progress['waiting_requests']} requests wait",
                fix="is etl running? MLPLATFORM_TRAINER__WAIT_S sets the patience",
                retry_after_s=60.0,
            )
        _log.info(
            "waiting for etl", digest=digest[:12], waiting_requests=progress["waiting_requests"]
        )
        sleep(min(1.0, max(0.05, deadline - clock())))
