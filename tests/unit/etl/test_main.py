"""The loop around the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from mlplatform.errors import Unavailable
from mlplatform.etl.main import work
from mlplatform.etl.worker import Worker


class _Steps:
    """A worker whose steps are given; the last one stops the loop."""

    def __init__(self, stop: threading.Event, *steps: Callable[[], int]) -> None:
        self.left = list(steps)
        self.stop = stop

    def step(self) -> int:
        """The next one."""
        now = self.left.pop(0)
        if not self.left:
            self.stop.set()
        return now()


def _away() -> int:
    raise Unavailable("no database")


def _work(*steps: Callable[[], int], idle_s: float) -> tuple[float, Any]:
    stop = threading.Event()
    worker = _Steps(stop, *steps)
    started = time.monotonic()
    work(cast("Worker", worker), stop=stop, idle_s=idle_s)
    return time.monotonic() - started, worker


def test_a_database_that_is_away_is_waited_for() -> None:
    """Unavailable pauses the loop, longer each time, and ends nothing."""
    seconds, worker = _work(_away, _away, lambda: 1, lambda: 1, idle_s=1000.0)

    assert [] == worker.left
    assert seconds >= 0.1 + 0.2


def test_the_loop_pauses_only_when_there_is_nothing_to_do() -> None:
    """After a step that did something the next follows at once; a stop ends an idle pause."""
    seconds, worker = _work(*[lambda: 1] * 50, lambda: 0, idle_s=1000.0)

    assert [] == worker.left
    assert seconds < 60


def test_every_turn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop reports every turn, also while a database is away."""
    turns: list[int] = []
    monkeypatch.setattr("mlplatform.loop.turned", lambda: turns.append(1))
    _work(_away, lambda: 1, lambda: 0, idle_s=0.0)

    assert 3 == len(turns)
