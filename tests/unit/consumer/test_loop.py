"""The loop of the consumer."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.errors import Unavailable
from mlplatform.settings import ConsumerSettings


def test_every_turn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop says that it turns, also while the queue is away: a process that is silent for long is ended."""
    turns: list[int] = []
    stop = threading.Event()
    loop = ConsumerLoop(cast("Any", None), cast("Any", None), ConsumerSettings(), stop=stop)

    def step() -> int:
        if len(turns) > 1:
            stop.set()
            return 0
        raise Unavailable("away")

    monkeypatch.setattr("mlplatform.consumer.loop.turned", lambda: turns.append(1))
    monkeypatch.setattr(loop, "step", step)
    monkeypatch.setattr(loop, "_back_off", lambda _: None)
    loop.run()

    assert [1, 1] == turns
