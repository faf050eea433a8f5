"""Claims of the tour: true at once, or true in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from mlplatform.errors import PlatformError, TryLater, Unavailable

T = TypeVar("T")
WAIT_S = 120.0
POLL_S = 0.2


def expect(holds: bool, otherwise: str) -> None:
    """Raise PlatformError with the words of `otherwise` when a claim does not hold."""
    if not holds:
        raise PlatformError(otherwise, field="the tour")


def until(found: Callable[[], T | None], otherwise: str, *, seconds: float = WAIT_S) -> T:
    """What `found` returns once it is not None, called again and again. Blocks.

    A TryLater that it raises counts as None. Raises Unavailable after so many seconds.
    """
    deadline, last = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            value = found()
        except TryLater as error:
            value, last = None, f" ({error})"
        if value is not None:
            return value
        time.sleep(POLL_S)
    raise Unavailable(f"{otherwise} after {seconds:g} s{last}")
