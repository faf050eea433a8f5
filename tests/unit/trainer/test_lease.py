"""The lease: taken, renewed, lost and given back. Time is given by the tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from mlplatform.errors import Refused, Unavailable
from mlplatform.trainer.lease import HeldLease


class _Api:
    """Stands in for the data API's client: answers by a function, and keeps the calls."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._answer = answer

    def take_lease(self, name: str, holder: str, *, ttl_s: float) -> Any:
        self.calls.append(("take", name, holder, ttl_s))
        return self._answer(len(self.calls))

    def release_lease(self, name: str, holder: str) -> bool:
        self.calls.append(("release", name, holder))
        return True


class _Clock:
    """Moves only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _lease(api: Any, *arguments: Any, **more: Any) -> HeldLease:
    return HeldLease(api, *arguments, **more)


def test_a_lease_is_taken_and_given_back() -> None:
    """Entering takes it for its holder; leaving gives it back, also after an error."""
    api = _Api(lambda _: {})

    def fail() -> None:
        with _lease(api, "churn", "me", ttl_s=60) as lease:
            lease.require()
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()

    assert [("take", "churn", "me", 60), ("release", "churn", "me")] == api.calls


def test_the_first_call_of_a_run_waits_longest() -> None:
    """A data API that is away for a minute at the start is waited for; in the end the run fails."""
    clock = _Clock()

    def answer(turn: int) -> Any:
        if turn < 80:
            raise Unavailable("no answer")
        return {}

    with _lease(_Api(answer), "churn", "me", clock=clock, sleep=clock.sleep) as lease:
        lease.require()
    late = _Clock()
    with pytest.raises(Unavailable):
        _lease(_Api(lambda _: answer(0)), "churn", "me", clock=late, sleep=late.sleep).__enter__()

    assert (79, 120) == (clock.now, late.now)


def test_a_lease_that_could_not_be_renewed_is_lost() -> None:
    """When the time of the lease is over without a renewal, the next step is refused."""
    clock = _Clock()
    with _lease(_Api(lambda _: {}), "churn", "me", ttl_s=60, clock=clock) as lease:
        lease.require()
        clock.now = 61
        with pytest.raises(Refused, match="lost its lease"):
            lease.require()


def test_a_lease_that_somebody_else_took_is_lost() -> None:
    """A renewal that is refused ends the run at its next step, with the reason."""

    def answer(turn: int) -> Any:
        if turn > 1:
            raise Refused("held by somebody else")
        return {}

    with _lease(_Api(answer), "churn", "me", ttl_s=0.4) as lease:
        deadline = time.monotonic() + 5
        while not lease._lost:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        with pytest.raises(Refused, match="held by somebody else"):
            lease.require()
