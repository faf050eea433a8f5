"""Asking again what may work in a moment."""

from __future__ import annotations

import pytest

from mlplatform.errors import InvalidInput, TryLater, Unavailable
from mlplatform.retry import retry


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now += seconds


def test_what_is_away_is_asked_again_until_the_patience_ends() -> None:
    """The pause is what the error asks for, at least a second; the last error is raised."""
    clock, errors = Clock(), list[TryLater]()

    def away() -> None:
        raise Unavailable(f"away at {clock.now:g} s", retry_after_s=4.0 if clock.now >= 3 else 0.1)

    with pytest.raises(Unavailable, match="away at 11 s"):
        retry(away, seconds=13, on_retry=errors.append, clock=clock, sleep=clock.sleep)
    assert [1, 1, 1, 4, 4] == clock.pauses
    assert len(clock.pauses) == len(errors)


def test_the_first_answer_ends_it() -> None:
    """No more calls after one that returns."""
    clock = Clock()

    def answer() -> float:
        if clock.now < 2:
            raise Unavailable("not yet")
        return clock.now

    assert 2 == retry(answer, seconds=60, clock=clock, sleep=clock.sleep)


def test_other_errors_are_not_tried_again() -> None:
    """What can't get better is raised at once."""
    clock = Clock()

    def wrong() -> None:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        retry(wrong, seconds=60, clock=clock, sleep=clock.sleep)
    assert [] == clock.pauses
