"""The loop of the consumer."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from mlplatform.consumer.road import Road
from mlplatform.errors import Unavailable
from mlplatform.settings import Consumer


def test_every_turn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop says that it turns, also while the queue is away: a process that is silent for long is ended."""
    turns: list[int] = []
    stop = threading.Event()
    road = Road(cast("Any", None), cast("Any", None), Consumer(), stop=stop)

    def step() -> int:
        if len(turns) > 1:
            stop.set()
            return 0
        raise Unavailable("away")

    monkeypatch.setattr("mlplatform.consumer.road.turned", lambda: turns.append(1))
    monkeypatch.setattr(road, "step", step)
    monkeypatch.setattr(road, "_back_off", lambda _: None)
    road.run()

    assert [1, 1] == turns
