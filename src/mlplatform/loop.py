"""Work until stopped: the loop of the processes that poll.

A step that raises Unavailable is called again after a pause; the pauses grow while it goes on
failing, and start small again after a success. Every other error ends the loop. One thread.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mlplatform.errors import Unavailable
from mlplatform.telemetry import Logger
from mlplatform.watchdog import turned

T = TypeVar("T")


@dataclass(frozen=True)
class Backoff:
    """Pauses after failures, in seconds: each is twice the one before, up to `most_s`."""

    first_s: float = 0.1
    # What comes back is used within seconds, and what is down isn't hammered.
    most_s: float = 5.0
    log_every: int = 1
    """A line in the log for each so many failures: more where failing at first is usual."""


class Deadline(threading.Event):
    """A stop that is also set once `seconds` have passed."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._at = time.monotonic() + seconds

    def is_set(self) -> bool:
        """Whether it was set, or its time is over."""
        return super().is_set() or time.monotonic() >= self._at

    def wait(self, timeout: float | None = None) -> bool:
        """Return when it is set, its time is over, or `timeout` seconds have passed."""
        left = max(0.0, self._at - time.monotonic())
        super().wait(left if timeout is None else min(left, timeout))
        return self.is_set()


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. To be called in the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def jittered(seconds: float) -> float:
    """`seconds`, varied by a quarter: what started together must not go on calling together."""
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311  (spreads load, guards nothing)


def run(
    step: Callable[[], object],
    *,
    stop: threading.Event,
    log: Logger,
    idle_s: float = 0.0,
    backoff: Backoff = Backoff(),
    on_failure: Callable[[Unavailable], None] = lambda _: None,
    on_pause: Callable[[float], object] | None = None,
) -> None:
    """Call `step` until `stop` is set. After a step that did nothing (it returns 0), wait `idle_s`.

    Failures are handled as by `attempt`. Raises what `step` raises, except for Unavailable.
    """
    while not stop.is_set():
        done = attempt(
            step, stop=stop, log=log, backoff=backoff, on_failure=on_failure, on_pause=on_pause
        )
        if not done:
            stop.wait(idle_s)


def attempt(
    call: Callable[[], T],
    *,
    stop: threading.Event,
    log: Logger,
    backoff: Backoff = Backoff(),
    on_failure: Callable[[Unavailable], None] = lambda _: None,
    on_pause: Callable[[float], object] | None = None,
) -> T | None:
    """What `call` returns, called again after every Unavailable; None when stopped before.

    `on_failure` gets each of these errors. `on_pause` spends a pause of that many seconds for
    callers with something to keep alive; it should return soon after `stop` is set.
    """
    pause_s, failures = backoff.first_s, 0
    while not stop.is_set():
        turned()  # here, and not only after a success: a loop that backs off does not hang
        try:
            return call()
        except Unavailable as error:
            on_failure(error)
            failures += 1
            if failures % backoff.log_every == 0:
                log.warning("backing off", error=str(error), seconds=round(pause_s, 2))
        # Jitter: processes that lost the same server must not come back to it in one moment.
        (on_pause or stop.wait)(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  (not a secret)
        pause_s = min(backoff.most_s, pause_s * 2)
    return None
