"""Ends a process whose loop stands still, also one that a call into C holds.

One loop a process: it reports each time it comes round, and before each piece of work that has a
time limit of its own. A machine that sleeps counts for nothing: the clock sleeps with it.
"""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Iterator
from contextlib import contextmanager

_timer: dict[str, float] = {}  # of `watch`; empty in a process that is not watched


def watch(stuck_s: float, *, beside_s: float = 0.0) -> None:
    """End this process when its loop has not `turned` for that long; 0: never.

    `beside_s` is added: the most that the loop waits for something that has a time limit of its
    own. Whoever runs the process starts it again; for processes that may be killed at any moment. A
    loop that backs off never reaches the limit.
    """
    if stuck_s:
        _set(stuck_s + beside_s)


def unwatch() -> None:
    """Watch no longer: what a process does at its end has time limits of its own."""
    if _timer:
        _timer.clear()
        faulthandler.cancel_dump_traceback_later()


def turned() -> None:
    """Report that the loop has come round. Does nothing in a process that is not watched."""
    longest_s, now = _timer.get("longest_s"), time.monotonic()
    if longest_s:
        _timer["turned_at"] = now
        if now - _timer["set_at"] > longest_s / 100:  # setting the timer starts a thread
            _timer["set_at"] = now
            faulthandler.dump_traceback_later(longest_s, exit=True)


@contextmanager
def allowing(longest_s: float) -> Iterator[None]:
    """What the block does may take that long, where the process is watched at all."""
    usual_s = _timer.get("longest_s")
    if usual_s is None:
        yield
        return
    _set(max(usual_s, longest_s))
    try:
        yield
    finally:
        _set(usual_s)


def overdue_s() -> float:
    """How long the loop has stood still beyond its limit; 0 while it turns or is not watched."""
    if not (longest_s := _timer.get("longest_s", 0.0)):
        return 0.0
    return max(0.0, time.monotonic() - _timer["turned_at"] - longest_s)


def _set(longest_s: float) -> None:
    _timer.update(longest_s=longest_s, set_at=float("-inf"))
    turned()
