"""Repeat a call that may succeed in a moment.

Network policies, for one, let a new pod through only after some seconds. Processes that work until
they are stopped have `mlplatform.loop` instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from mlplatform.errors import TryLater

T = TypeVar("T")


def retry(
    call: Callable[[], T],
    *,
    seconds: float,
    least_s: float = 1.0,
    of: type[TryLater] = TryLater,
    on_retry: Callable[[TryLater], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `call` returns, called again after every TryLater of that class. Blocks.

    The pause is what the error asks for, at least `least_s`; when it would end after `seconds`, the
    error is raised. `call` must be safe to repeat; `on_retry` gets each error but the last.
    """
    deadline = clock() + seconds
    while True:
        try:
            return call()
        except of as error:
            pause = max(error.retry_after_s, least_s)
            if clock() + pause > deadline:
                raise
            on_retry(error)
            sleep(pause)
