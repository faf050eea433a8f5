"""Follow a training run through the data API, to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.exit_code import error_for
from mlplatform.contracts.run import Run
from mlplatform.errors import CutShort, PlatformError
from mlplatform.retry import retry

WAIT_S = 60.0
"""Of one call: below what proxies allow an answer to take."""
AWAY_S = 300.0
"""How long a data API may be away while its run goes on: it is replaced, say, or fails over."""
PAUSE_S = 2.0
OnChange = Callable[[Run], None]


def follow(
    api: DataApi,
    run: Run,
    *,
    timeout_s: float | None = None,
    on_change: OnChange = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Wait for the end of a run; its record then. Blocks. `on_change` gets it at every change.

    Raises CutShort after `timeout_s`, while it goes on; Unavailable without a data API for long.
    """
    ends = float("inf") if timeout_s is None else clock() + timeout_s
    while not run.final:
        left = ends - clock()
        if left <= 0:
            raise _goes_on(run)
        call = partial(api.run, run.pipeline, run.id, wait_s=min(left, WAIT_S), seen=run.changes)
        away_s = min(left, AWAY_S)
        run = retry(call, seconds=away_s, least_s=PAUSE_S, clock=clock, sleep=sleep)
        on_change(run)
    return run


def _goes_on(run: Run) -> CutShort:
    return CutShort(
        f"run {run.id} has not ended in time, and goes on",
        field="--timeout",
        fix=f"`mlplatform runs show {run.pipeline} {run.id}` shows it",
    )


def require_success(run: Run) -> Run:
    """The record of a run that has succeeded. Raises the error that another one ended with."""
    if run.state == "succeeded":
        return run
    raise error_of(run)


def error_of(run: Run) -> PlatformError:
    """Why a run did not succeed, as an error that has its exit code."""
    failure = run.failure
    why = f": {failure.message}" if failure else ""
    return error_for(run.exit_code)(
        f"run {run.id} {run.ending}{why}",
        field=(failure.field if failure else "") or run.pipeline,
        fix=(failure.fix if failure else "") or ("" if why else "its log says why"),
    )
