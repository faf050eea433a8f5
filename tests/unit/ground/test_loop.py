"""The loop of the processes that work until they are stopped."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from structlog.testing import capture_logs

from mlplatform import loop
from mlplatform.errors import InvalidInput, Unavailable
from mlplatform.loop import Backoff, Deadline
from mlplatform.telemetry import logger

LOG = logger("test")


@pytest.fixture
def certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter."""
    monkeypatch.setattr("mlplatform.loop.random.uniform", lambda _, most: most)


@pytest.mark.usefixtures("certain")
def test_pauses_grow_and_start_small_again() -> None:
    """Each failure in a row doubles the pause up to the limit; a success resets it."""
    stop, pauses = threading.Event(), list[float]()
    steps = iter([False, False, False, False, True, False, None])

    def step() -> bool:
        done = next(steps)
        if done is None:
            stop.set()
        elif not done:
            raise Unavailable("away")
        return True

    backoff = Backoff(first_s=1.0, most_s=4.0)
    loop.run(step, stop=stop, log=LOG, backoff=backoff, on_pause=pauses.append)

    assert [1, 2, 4, 4, 1] == pauses


def test_pauses_have_jitter() -> None:
    """Processes that lost the same server do not come back to it in one moment."""
    stop, pauses = threading.Event(), list[float]()

    def step() -> None:
        if len(pauses) == 50:
            stop.set()
        raise Unavailable("away")

    loop.run(step, stop=stop, log=LOG, backoff=Backoff(1.0, 1.0), on_pause=pauses.append)

    assert len(set(pauses)) > 40
    assert 0.5 <= min(pauses) <= max(pauses) <= 1.0


def test_a_failure_is_logged_and_reported() -> None:
    """The log says what is away and for how long the loop waits; the caller may count it."""
    stop, failures = threading.Event(), list[Unavailable]()

    def pause(_: float) -> None:
        stop.set()

    def step() -> None:
        raise Unavailable("the database is away")

    with capture_logs() as lines:
        loop.run(step, stop=stop, log=LOG, on_failure=failures.append, on_pause=pause)

    assert ["the database is away"] == [str(error) for error in failures]
    assert ("backing off", "the database is away", 0.1) == tuple(
        lines[0][name] for name in ("event", "error", "seconds")
    )


def test_usual_failures_are_logged_now_and_then() -> None:
    """Where failing at first is usual, a line stands for several failures, and none for a few."""
    answers = iter([Unavailable("not yet")] * 7 + [None])

    def call() -> str:
        if failure := next(answers):
            raise failure
        return "there"

    with capture_logs() as lines:
        found = loop.attempt(
            call,
            stop=threading.Event(),
            log=logger("test"),
            backoff=Backoff(first_s=0.001, most_s=0.001, log_every=3),
        )

    assert "there" == found
    assert 2 == len(lines)


def test_a_step_without_work_is_followed_by_a_rest() -> None:
    """Only a step that did nothing makes the loop wait for `idle_s`."""
    stop, began = threading.Event(), list[float]()

    def step() -> int:
        began.append(time.monotonic())
        if len(began) == 4:
            stop.set()
        return 1 if len(began) < 3 else 0

    loop.run(step, stop=stop, log=LOG, idle_s=0.2)

    assert began[2] - began[0] < 0.2 <= began[3] - began[2]


def test_other_errors_end_the_loop() -> None:
    """What no waiting can heal is raised at once."""

    def step() -> None:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        loop.run(step, stop=threading.Event(), log=LOG)


@pytest.mark.usefixtures("certain")
def test_an_attempt_returns_the_first_answer() -> None:
    """It is made again until it succeeds."""
    answers = iter([0, 0, 7])

    def call() -> int:
        if answer := next(answers):
            return answer
        raise Unavailable("not yet")

    found = loop.attempt(call, stop=threading.Event(), log=LOG, backoff=Backoff(0.01, 0.01))

    assert 7 == found


def test_an_attempt_ends_with_a_stop() -> None:
    """A stop that is set in a pause ends it, without an answer."""
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()

    def call() -> int:
        raise Unavailable("away")

    started = time.monotonic()

    assert loop.attempt(call, stop=stop, log=LOG, backoff=Backoff(30.0, 30.0)) is None
    assert time.monotonic() - started < 10


def test_a_deadline_is_a_stop_that_sets_itself() -> None:
    """It is set after its time, a wait is no longer than that, and `set` comes first."""
    deadline, early = Deadline(0.1), Deadline(60.0)
    early.set()
    before = deadline.is_set()
    started = time.monotonic()
    deadline.wait(30.0)

    assert (False, True, True) == (before, deadline.is_set(), early.is_set())
    assert 0.05 < time.monotonic() - started < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_set_the_stop(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end a loop instead of the process."""
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = loop.stop_on_signals()
        os.kill(os.getpid(), number)

        assert stop.wait(10)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_jitter_is_a_quarter() -> None:
    """Intervals vary by a quarter around their length, and are not the same twice."""
    found = [loop.jittered(4.0) for _ in range(100)]

    assert 3.0 <= min(found) <= max(found) <= 5.0
    assert len(set(found)) > 90
