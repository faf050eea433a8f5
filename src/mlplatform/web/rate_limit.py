"""How fast a caller may send requests.

Rates are token buckets, one per caller: a bucket fills at `rate_per_s` up to `burst`, and a request
takes one token.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from mlplatform.errors import Overloaded

MOST_BUCKETS = 10_000
"""Buckets kept at once.

The least recently used one goes first: after a pause as long as that takes, it would be full again
anyway.
"""


class RateLimit:
    """Safe to share between threads. `clock` gives monotonic seconds; tests pass their own."""

    def __init__(
        self, *, rate_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._clock = clock
        # name -> (tokens, when they were counted)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, name: str) -> None:
        """Take one token of `name`'s bucket.

        Raises Overloaded that says when the next one is there.
        """
        with self._lock:
            now = self._clock()
            tokens, counted = self._buckets.get(name, (self._burst, now))
            tokens = min(self._burst, tokens + (now - counted) * self._rate)
            enough = tokens >= 1.0
            self._buckets[name] = (tokens - 1.0 if enough else tokens, now)
            self._buckets.move_to_end(name)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        if not enough:
            wait = (1.0 - tokens) / self._rate
            raise Overloaded(
                f"'{name}' sends more than {self._rate:g} requests a second",
                field="authorization",
                retry_after_s=wait,
            )
