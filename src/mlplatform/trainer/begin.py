"""How a training begins: the trainer's token takes the lease, which gives the run its own.

The trainer's token opens the lease of every pipeline, so it must be gone before code of one is
loaded: the command line begins the process anew in between (`cli/trainer.py`).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pydantic import SecretStr

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.lease import Lease
from mlplatform.contracts.request import new_request_id
from mlplatform.errors import InvalidInput, PlatformError, Unavailable
from mlplatform.retry import retry
from mlplatform.settings import Settings, require
from mlplatform.telemetry import logger
from mlplatform.trainer.credentials import refuse_databases
from mlplatform.trainer.interrupt import orderly_end, sleep_with_sigterm, without_sigterm
from mlplatform.trainer.lease import TTL_S

FIRST_S = 120.0
"""For the first call of a training: network policies let a new pod through after a moment."""
CALL_S = 10.0
"""For the answer to one try. SIGTERM waits for it: longer, and who sends one kills the process."""
UNKNOWN = "Extra inputs are not permitted"
"""What a data API says of a field that it does not know."""
_log = logger("trainer")


@contextmanager
def begun(
    settings: Settings, pipeline: str, *, job: str = "", reason: str = ""
) -> Iterator[SecretStr]:
    """Take the lease of `pipeline` with the trainer's token; gives the token of the run.

    The run is the one that was recorded for `job`; without a record it gets one, with `reason`.
    In the block that run begins. SIGTERM is put off until it holds the lease, but for the pauses
    between two tries: there it gives back what an earlier try may have taken. Raises LeaseHeld
    while another run holds it, CutShort when the run was cancelled, TryLater without a data API.
    """
    refuse_databases(settings)
    token = require(settings.dataapi.token, "dataapi", "token")
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_request_id()}"
    api = DataApi(settings.dataapi.url, token, timeout_s=CALL_S)
    with orderly_end(), without_sigterm(), api:
        sleep_with_sigterm(0)  # one that has come needs no lease
        try:
            lease = take(api, pipeline, holder, job=job, reason=reason, sleep=sleep_with_sigterm)
            yield SecretStr(lease.token)
        except SystemExit:  # SIGTERM, maybe after the lease was taken and its answer was lost
            with suppress(PlatformError):  # it runs out by itself
                api.release_lease(pipeline, holder)
            raise


def take(
    api: DataApi,
    pipeline: str,
    holder: str,
    *,
    job: str = "",
    reason: str = "",
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Lease:
    """The lease of a pipeline, with the token of the run. `begun` says what it raises."""
    return retry(
        lambda: _with_token(_taken(api, pipeline, holder, job=job, reason=reason)),
        seconds=FIRST_S,
        on_retry=lambda error: _log.warning("lease not taken yet", error=str(error)),
        clock=clock,
        sleep=sleep,
    )


def _taken(api: DataApi, pipeline: str, holder: str, **record: str) -> Lease:
    try:
        return api.take_lease(pipeline, holder, ttl_s=TTL_S, **record)
    except InvalidInput as error:
        if error.message != UNKNOWN:
            raise
        # Of the release before, while an upgrade replaces its pods: it keeps no records yet.
        _log.warning("the data API is older than this trainer: this run has no record")
        return api.take_lease(pipeline, holder, ttl_s=TTL_S)


def _with_token(lease: Lease) -> Lease:
    if not lease.token:  # while an upgrade replaces its pods one by one, another may answer soon
        raise Unavailable("the data API is older than this trainer: it gives a run no token")
    return lease
