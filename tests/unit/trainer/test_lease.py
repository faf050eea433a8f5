"""The lease: taken, renewed, lost and given back. Time is given by the tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mlplatform.contracts.lease import Lease
from mlplatform.errors import InvalidInput, LeaseHeld, Refused, Unauthenticated, Unavailable
from mlplatform.trainer.begin import UNKNOWN, take
from mlplatform.trainer.lease import HeldLease

LEASE = Lease(
    pipeline="churn", holder="me", run="r", expires_at=datetime(2026, 1, 1, tzinfo=UTC), token="t"
)


class _Api:
    """Stands in for the data API's client: answers by a function, and keeps the calls."""

    def __init__(self, answer: Callable[[int], Lease] = lambda _: LEASE) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._answer = answer

    def take_lease(self, name: str, holder: str, *, ttl_s: float, **_: str) -> Lease:
        self.calls.append(("take", name, holder, ttl_s))
        return self._answer(len(self.calls))

    def renew_lease(self, name: str, *, ttl_s: float) -> Lease:
        self.calls.append(("renew", name, ttl_s))
        return self._answer(len(self.calls))

    def release_lease(self, name: str) -> bool:
        self.calls.append(("release", name))
        return True


class _Clock:
    """Moves only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _lease(api: Any, **more: Any) -> HeldLease:
    return HeldLease(api, "churn", **more)


def _taken(api: Any, **more: Any) -> Lease:
    return take(api, "churn", "me", **more)


def test_a_lease_is_renewed_and_given_back() -> None:
    """Entering renews what was taken for the run; leaving gives it back, also after an error."""
    api = _Api()

    def fail() -> None:
        with _lease(api, ttl_s=60) as lease:
            lease.require()
            assert lease.record is LEASE
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()

    assert [("renew", "churn", 60), ("release", "churn")] == api.calls


def test_the_first_call_of_a_training_waits_longest() -> None:
    """A data API that is away for a minute at the start is waited for; in the end it fails."""
    clock, api = _Clock(), _Api(_away_until(80))
    lease = _taken(api, clock=clock, sleep=clock.sleep)
    late = _Clock()
    with pytest.raises(Unavailable):
        _taken(_Api(_away_until(1000)), clock=late, sleep=late.sleep)

    assert (79, 120) == (clock.now, late.now)
    assert ("t", ("take", "churn", "me", 60)) == (lease.token, api.calls[-1])


def test_the_first_renewal_ends_before_the_lease() -> None:
    """What another run may hold by then is not waited for."""
    clock = _Clock()
    with _lease(_Api(_away_until(30)), clock=clock, sleep=clock.sleep) as lease:
        lease.require()
    late = _Clock()
    with pytest.raises(Unavailable):
        _lease(_Api(_away_until(1000)), clock=late, sleep=late.sleep).__enter__()

    assert (29, 45) == (clock.now, late.now)


def _away_until(turn: int) -> Callable[[int], Lease]:
    def answer(now: int) -> Lease:
        if now < turn:
            raise Unavailable("no answer")
        return LEASE

    return answer


def test_a_data_api_without_tokens_is_tried_again() -> None:
    """In an upgrade an older one may answer first; it took the lease for the same holder."""
    clock = _Clock()
    api = _Api(lambda turn: LEASE.model_copy(update={"token": ""}) if turn < 3 else LEASE)

    assert "t" == _taken(api, clock=clock, sleep=clock.sleep).token
    assert 3 == len(api.calls)


def test_the_end_of_a_lease_is_no_wrong_token() -> None:
    """Who holds it meanwhile is the reason: on entering, and of what a step was told."""

    def ended(_: int) -> Lease:
        raise Unauthenticated("no run has this token")

    class Ended(_Api):
        def release_lease(self, name: str) -> bool:
            raise Unauthenticated(f"no run of '{name}' has this token")

    def step(api: _Api) -> None:
        with _lease(api):
            raise Unauthenticated("a token is wrong")

    with pytest.raises(LeaseHeld):
        _lease(_Api(ended)).__enter__()
    with pytest.raises(LeaseHeld):
        step(Ended())
    with pytest.raises(Unauthenticated):
        step(_Api())


def test_an_older_data_api_keeps_no_record() -> None:
    """In an upgrade one may refuse the fields that records need: the run goes on without."""
    asked: list[dict[str, str]] = []

    class Older(_Api):
        def take_lease(self, name: str, holder: str, *, ttl_s: float, **record: str) -> Lease:
            asked.append(record)
            if record:
                raise InvalidInput(UNKNOWN, field="job")
            return super().take_lease(name, holder, ttl_s=ttl_s)

    assert LEASE == _taken(Older(), job="a-job", reason="test")
    assert [{"job": "a-job", "reason": "test"}, {}] == asked


def test_a_cancelled_run_ends_once() -> None:
    """By one signal, however often it is told; where that was swallowed, at the next step."""
    signals: list[int] = []
    api = _Api(lambda _: LEASE.model_copy(update={"cancelled_by": "admin"}))
    with _lease(api, on_cancel=lambda: signals.append(1)) as lease:
        lease._renew()
        with pytest.raises(SystemExit) as ended:
            lease.require()

    assert ([1], 6) == (signals, ended.value.code)


def test_a_lease_that_could_not_be_renewed_is_lost() -> None:
    """When the time of the lease is over without a renewal, the next step is refused."""
    clock = _Clock()
    with _lease(_Api(), ttl_s=60, clock=clock) as lease:
        lease.require()
        clock.now = 61
        with pytest.raises(Refused, match="lost its lease"):
            lease.require()


def test_a_lease_that_somebody_else_took_is_lost() -> None:
    """A renewal that is refused ends the run at its next step, with the reason."""

    def answer(turn: int) -> Lease:
        if turn > 1:
            raise Unauthenticated("another run took it over")
        return LEASE

    with _lease(_Api(answer), ttl_s=0.4) as lease:
        deadline = time.monotonic() + 5
        while not lease._lost:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        with pytest.raises(Refused, match="another run took it over"):
            lease.require()
