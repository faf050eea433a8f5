"""Steps are timed, also those that fail. Time is given by the tests."""

from __future__ import annotations

import pytest

from mlplatform.errors import Refused
from mlplatform.trainer.timer import StepTimer


class _Clock:
    """Moves only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_steps_are_timed_and_checked_before() -> None:
    """Every step has its seconds, also one that fails; the check before may stop the run."""
    clock = _Clock()
    allowed = True

    def check() -> None:
        if not allowed:
            raise Refused("lost")

    timer = StepTimer("churn", check=check, clock=clock)
    with timer.step("one"):
        clock.sleep(2)

    def fail() -> None:
        with timer.step("two"):
            clock.sleep(3)
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()
    allowed = False
    with pytest.raises(Refused):
        timer.step("three").__enter__()

    assert {"one": 2, "two": 3} == timer.seconds
