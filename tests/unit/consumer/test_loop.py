"""The loop of the consumer."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.errors import Unavailable
from mlplatform.settings import ConsumerSettings


class Member:
    """A member of the group that notes how it is kept alive; stops the loop after some calls."""

    def __init__(self, stop: threading.Event, *, calls: int, away: bool = False) -> None:
        self._stop, self._calls, self._away = stop, calls, away
        self.kept: list[float] = []

    def keep_alive(self, timeout_s: float) -> None:
        """As Consumer.keep_alive, without waiting."""
        self.kept.append(timeout_s)
        if len(self.kept) == self._calls:
            self._stop.set()
        if self._away:
            raise Unavailable("the queue is away too")


def loop_of(member: Member, stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> ConsumerLoop:
    """A loop whose every step fails for the database."""

    def step() -> int:
        raise Unavailable("the database is away")

    loop = ConsumerLoop(cast("Any", member), cast("Any", None), ConsumerSettings(), stop=stop)
    monkeypatch.setattr(loop, "step", step)
    return loop


def test_every_turn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop reports every turn, also while a database is away: the watchdog ends what hangs."""
    turns: list[int] = []
    monkeypatch.setattr("mlplatform.loop.turned", lambda: turns.append(1))
    monkeypatch.setattr("mlplatform.loop.random.uniform", lambda *_: 0.0)
    stop = threading.Event()
    loop = ConsumerLoop(cast("Any", None), cast("Any", None), ConsumerSettings(), stop=stop)

    def step() -> int:
        if len(turns) > 1:
            stop.set()
            return 0
        raise Unavailable("away")

    monkeypatch.setattr(loop, "step", step)
    loop.run()

    assert [1, 1] == turns


def test_a_pause_keeps_the_membership(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away the member is kept alive in pieces of half a second at most."""
    stop = threading.Event()
    member = Member(stop, calls=3)
    loop_of(member, stop, monkeypatch).run()

    assert 3 == len(member.kept)
    assert max(member.kept) <= 0.5


def test_a_queue_that_is_away_too_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that can't be kept alive does not end the loop, and is not called in a rush."""
    stop = threading.Event()
    member = Member(stop, calls=2, away=True)
    loop_of(member, stop, monkeypatch).run()

    assert 2 == len(member.kept)
