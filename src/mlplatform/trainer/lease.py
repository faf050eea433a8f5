"""One training per pipeline at a time, whoever started it.

The data API keeps the lease, and gave the run its token when it was taken: with it a thread renews
the lease while the run lasts. A run that can't renew for a whole lease time has lost it:
another one may have begun, so it must stop before it registers anything. `require` is called before
every step for that.

A renewal also says whether the run was cancelled: then it ends itself as by SIGTERM.

The client must not retry by itself: a renewal that succeeds late would be counted from its first
try, when another run may have begun in between.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Self

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.exit_code import ExitCode
from mlplatform.contracts.lease import Lease
from mlplatform.errors import LeaseHeld, PlatformError, TryLater, Unauthenticated
from mlplatform.retry import retry
from mlplatform.telemetry import logger

TTL_S = 60.0
"""How long a lease lasts without a renewal."""
BEGIN_S = 45.0
"""How long the first renewal may take: the lease that was taken before ends soon after."""
_log = logger("trainer")


def terminate() -> None:
    """End this process in the orderly way that SIGTERM has."""
    os.kill(os.getpid(), signal.SIGTERM)


class HeldLease:
    """A run's right to train its pipeline; use as a context manager. `api` has the run's token.

    Entering renews it for the first time. When the lease has ended, its token has too: what the
    data API says of that becomes LeaseHeld, on entering and on leaving.
    """

    def __init__(
        self,
        api: DataApi,
        pipeline: str,
        *,
        ttl_s: float = TTL_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        on_cancel: Callable[[], None] = terminate,
    ) -> None:
        self._api = api
        self._pipeline = pipeline
        self._ttl_s = ttl_s
        self._clock = clock
        self._sleep = sleep
        self._on_cancel = on_cancel
        self._cancelled = False
        self._until = 0.0
        self._lost = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        try:
            retry(
                self._renew,
                seconds=BEGIN_S,
                on_retry=lambda error: _log.warning("lease not renewed yet", error=str(error)),
                clock=self._clock,
                sleep=self._sleep,
            )
        except Unauthenticated as error:
            raise _lost(str(error)) from error
        self._thread.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self._api.release_lease(self._pipeline)
        except PlatformError as failure:  # it runs out by itself
            _log.warning("lease not released", error=str(failure), ttl_s=self._ttl_s)
            if isinstance(error, Unauthenticated) and isinstance(failure, Unauthenticated):
                raise _lost(str(error)) from error

    @property
    def record(self) -> Lease:
        """The lease as the data API has it."""
        return self._record

    def require(self) -> None:
        """Raise LeaseHeld when the lease is lost; SystemExit when the run was cancelled.

        Its signal has done that before, unless an `except:` of the author's code has swallowed it.
        """
        if self._cancelled:
            raise SystemExit(ExitCode.CUT_SHORT.value)
        if self._lost or self._clock() > self._until:
            raise _lost(self._lost or "it could not be renewed in time")

    def _renew(self) -> None:
        # Counted from before the call: the data API's own count can only begin later.
        begun = self._clock()
        self._record = self._api.renew_lease(self._pipeline, ttl_s=self._ttl_s)
        self._until = begun + self._ttl_s
        if self._record.cancelled_by and not self._cancelled:
            _log.warning("run cancelled", by=self._record.cancelled_by)
            self._on_cancel()
            self._cancelled = True  # another signal would break into the orderly end

    def _keep(self) -> None:
        while not self._stop.wait(self._ttl_s / 4):  # so three renewals may fail
            try:
                self._renew()
            except TryLater as error:
                _log.warning("lease not renewed, will try again", error=str(error))
            except PlatformError as error:
                self._lost = str(error)
                _log.error("lease lost", error=str(error))
                return


def _lost(why: str) -> LeaseHeld:
    return LeaseHeld(f"this run has lost its lease: {why}", fix="start it again")
