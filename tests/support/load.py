"""Bounded load on serving, and a record of what was answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from mlplatform.client.serving import ServingClient
from mlplatform.errors import PlatformError

DEADLINE_S = 60.0


class Load:
    """Two clients that send one request after the other, until the block ends.

    `answered` holds the ids of all 200s, `refused` what else came. A client whose server is away
    waits a moment and tries again.
    """

    def __init__(self, serving: ServingClient, pipeline: str, row: Mapping[str, Any]) -> None:
        self._serving, self._pipeline, self._row = serving, pipeline, row
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(2)]
        self.answered: list[str] = []
        self.refused: list[PlatformError] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        try:
            self.await_answers(20)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def await_answers(self, more: int) -> None:
        """Wait until so many more requests were answered."""
        goal = len(self.answered) + more
        until(lambda: len(self.answered) >= goal, f"serving answers ({self.refused[-1:]})")

    def _send(self) -> None:
        while not self._over.is_set():
            try:
                self.answered.append(self._serving.predict(self._pipeline, [self._row]).id)
            except PlatformError as error:
                self.refused.append(error)
                self._over.wait(0.02)


def until(holds: Callable[[], Any], what: str, *, deadline_s: float = DEADLINE_S) -> Any:
    """The first true answer of `holds`; fails the test after the deadline."""
    end = time.monotonic() + deadline_s
    while not (answer := holds()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.1)
    return answer
