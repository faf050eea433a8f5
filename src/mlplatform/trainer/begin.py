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
from mlplatform.errors import PlatformError, Unavailable
from mlplatform.retry import retry
from mlplatform.settings import Settings, require
from mlplatform.telemetry import logger
from mlplatform.trainer.credentials import refuse_databases
from mlplatform.trainer.interrupt import orderly_end, put_off_sigterm
from mlplatform.trainer.lease import TTL_S

FIRST_S = 120.0
"""For the first call of a training: network policies let a new pod through after a moment."""
_log = logger("trainer")


@contextmanager
def begun(settings: Settings, pipeline: str) -> Iterator[SecretStr]:
    """Take the lease of `pipeline` with the trainer's token; gives the token of the new run.

    In the block that run begins. SIGTERM is put off until it holds the lease; one that came before
    gives it back. Raises Refused while another run holds it, TryLater without a data API.
    """
    refuse_databases(settings)
    token = require(settings.dataapi.token, "dataapi", "token")
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_request_id()}"
    with orderly_end(), DataApi(settings.dataapi.url, token) as api:
        try:
            lease = take(api, pipeline, holder)
            put_off_sigterm()
            yield SecretStr(lease.token)
        except SystemExit:  # SIGTERM, maybe after the lease was taken and before its answer came
            with suppress(PlatformError):  # it runs out by itself
                api.release_lease(pipeline, holder)
            raise


def take(
    api: DataApi,
    pipeline: str,
    holder: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Lease:
    """The lease of a pipeline, with the token of the run. `begun` says what it raises."""
    return retry(
        lambda: _with_token(api.take_lease(pipeline, holder, ttl_s=TTL_S)),
        seconds=FIRST_S,
        on_retry=lambda error: _log.warning("lease not taken yet", error=str(error)),
        clock=clock,
        sleep=sleep,
    )


def _with_token(lease: Lease) -> Lease:
    if not lease.token:  # while an upgrade replaces its pods one by one, another may answer soon
        raise Unavailable("the data API is older than this trainer: it gives a run no token")
    return lease
