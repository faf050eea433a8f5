"""Ask again for a while what may work in a moment: a new pod is let through by network policies only after some seconds."""

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
    on_retry: Callable[[TryLater], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `call` returns, called again after every TryLater until `seconds` are over: then that error is raised. Blocks.

    `call` must be safe to repeat. `on_retry` gets each error that is not the last.
    """
    deadline = clock() + seconds
    while True:
        try:
            return call()
        except TryLater as error:
            pause = max(error.retry_after_s, 1.0)
            if clock() + pause > deadline:
                raise
            on_retry(error)
            sleep(pause)
