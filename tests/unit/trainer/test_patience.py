"""Leases, waiting for etl, and what ends a run from outside. Time is given by the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mlplatform.errors import InvalidInput, Refused, Unavailable
from mlplatform.trainer.api import PatientClient
from mlplatform.trainer.interrupt import begin_time_limit, orderly_end
from mlplatform.trainer.lease import HeldLease
from mlplatform.trainer.steps.wait_for_features import wait_for_features
from mlplatform.trainer.timer import StepTimer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Answers:
    """Stands in for the data API's client: answers by a function, and remembers what was asked."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._answer = answer

    def get(self, path: str, **parameters: Any) -> Any:
        self.asked.append((path, parameters))
        return self._answer(len(self.asked))

    def post(self, path: str, body: Any = None) -> Any:
        self.asked.append((path, body))
        return self._answer(len(self.asked))

    def call(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append((f"{method} {path}", options))
        return {}


class _Clock:
    """Moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _progress(*, ready: bool, waiting: int = 0, failure: str | None = None) -> dict[str, Any]:
    return {
        "ready": ready,
        "waiting_requests": waiting,
        "featured": 5,
        "quarantined": 0,
        "failure": failure,
    }


def _wait(api: _Answers, clock: _Clock) -> Any:
    return wait_for_features(
        api, "churn", "d" * 64, stored_before=NOW, wait_s=10, clock=clock, sleep=clock.sleep
    )  # type: ignore[arg-type]  # stands in


def test_it_waits_until_etl_is_done() -> None:
    """The progress is asked for again and again, for what was stored before the run began, until it is ready."""
    api, clock = _Answers(lambda turn: _progress(ready=turn == 4, waiting=4 - turn)), _Clock()

    assert _wait(api, clock)["featured"] == 5
    assert (len(api.asked), clock.now) == (4, 3.0)
    assert api.asked[0] == (
        f"/v1/pipelines/churn/features/{'d' * 64}",
        {"stored_before": NOW.isoformat()},
    )


def test_patience_ends() -> None:
    """After its time it says how many requests wait, and that another try makes sense."""
    clock = _Clock()
    with pytest.raises(Unavailable, match="7 requests wait"):
        _wait(_Answers(lambda _: _progress(ready=False, waiting=7)), clock)

    assert 10 <= clock.now <= 10.1


def test_broken_features_are_not_waited_for() -> None:
    """When etl can't run features.py the run ends at once with etl's reason."""
    clock = _Clock()
    with pytest.raises(Refused, match="line 3"):
        _wait(
            _Answers(lambda _: _progress(ready=False, failure="features.py, line 3: boom")), clock
        )

    assert clock.now == 0


def test_a_lease_is_taken_and_given_back() -> None:
    """Entering takes it for its holder; leaving gives it back, also after an error."""
    api = _Answers(lambda _: {})

    def fail() -> None:
        with HeldLease(api, "churn", "me", ttl_s=60) as lease:  # type: ignore[arg-type]  # stands in
            lease.require()
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()

    assert api.asked == [
        ("/v1/pipelines/churn/lease", {"holder": "me", "ttl_s": 60}),
        ("DELETE /v1/pipelines/churn/lease", {"params": {"holder": "me"}}),
    ]


def test_the_first_call_of_a_run_waits_longest() -> None:
    """A data API that is away for more than a minute when a run begins is waited for; one that stays away is told."""
    clock = _Clock()

    def answer(turn: int) -> Any:
        if turn < 80:
            raise Unavailable("no answer")
        return {}

    with HeldLease(_Answers(answer), "churn", "me", clock=clock, sleep=clock.sleep) as lease:  # type: ignore[arg-type]  # stands in
        lease.require()
    late = _Clock()
    with pytest.raises(Unavailable):
        HeldLease(
            _Answers(lambda _: answer(0)), "churn", "me", clock=late, sleep=late.sleep
        ).__enter__()  # type: ignore[arg-type]  # stands in

    assert (clock.now, late.now) == (79, 120)


@pytest.mark.parametrize("status", [503, None])
def test_a_call_survives_a_data_api_that_is_away_for_a_moment(status: int | None) -> None:
    """A refusal to answer now, and no answer at all, are asked again; what the server says to the question itself comes at once."""
    asked, slept = [], []

    def server(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) == 1 and status is None:
            raise httpx.ConnectError("refused")
        return (
            httpx.Response(status or 200)
            if len(asked) == 1
            else httpx.Response(200, json={"fine": True})
        )

    with PatientClient("http://dataapi", None, sleep=slept.append) as api:
        api.http = httpx.Client(base_url="http://dataapi", transport=httpx.MockTransport(server))

        assert api.post("/v1/anything", {}) == {"fine": True}
    assert (asked, len(slept)) == (["/v1/anything"] * 2, 1)


def test_a_refusal_is_not_asked_again() -> None:
    """An answer that another try can't change ends the call."""
    asked = []

    def server(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(400)

    with PatientClient("http://dataapi", None) as api:
        api.http = httpx.Client(base_url="http://dataapi", transport=httpx.MockTransport(server))
        with pytest.raises(InvalidInput):
            api.get("/v1/anything")

    assert len(asked) == 1


def test_a_lease_that_could_not_be_renewed_is_lost() -> None:
    """When the time of the lease is over without a renewal, the next step is refused."""
    clock = _Clock()
    with HeldLease(_Answers(lambda _: {}), "churn", "me", ttl_s=60, clock=clock) as lease:  # type: ignore[arg-type]  # stands in
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

    with HeldLease(_Answers(answer), "churn", "me", ttl_s=0.4) as lease:  # type: ignore[arg-type]  # stands in
        deadline = time.monotonic() + 5
        while not lease._lost:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        with pytest.raises(Refused, match="held by somebody else"):
            lease.require()


def test_the_journal_times_steps_and_asks_before_each() -> None:
    """Every step has its seconds, also one that fails; what is asked before may stop the run."""
    clock = _Clock()
    allowed = True

    def before() -> None:
        if not allowed:
            raise Refused("lost")

    journal = StepTimer("churn", before=before, clock=clock)
    with journal.step("one"):
        clock.sleep(2)

    def fail() -> None:
        with journal.step("two"):
            clock.sleep(3)
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()
    allowed = False
    with pytest.raises(Refused):
        journal.step("three").__enter__()

    assert journal.seconds == {"one": 2, "two": 3}


def test_sigterm_unwinds() -> None:
    """SIGTERM becomes SystemExit, so that what was opened is closed; the old handler is back afterwards."""
    before = signal.getsignal(signal.SIGTERM)

    def killed() -> None:
        with orderly_end():
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(5)

    with pytest.raises(SystemExit):
        killed()

    assert signal.getsignal(signal.SIGTERM) == before


def test_the_time_limit_is_no_error_that_a_search_could_swallow() -> None:
    """timeout_s ends a step even where every Exception is caught, and comes out as a refusal that names it."""

    def search() -> None:
        with orderly_end():
            begin_time_limit(0.05)
            while True:
                with contextlib.suppress(
                    Exception
                ):  # as the search does with a combination that fails
                    threading.Event().wait(5)

    with pytest.raises(Refused, match="timeout_s"):
        search()
