"""Waiting for etl. Time is given by the tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.errors import Refused, Unavailable
from mlplatform.trainer.steps.wait_for_features import wait_for_features

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Api:
    """Stands in for the data API's client: answers by a function, and keeps the calls."""

    def __init__(self, answer: Callable[[int], FeaturesProgress]) -> None:
        self.calls: list[tuple[str, str, datetime]] = []
        self._answer = answer

    def features_progress(
        self, name: str, digest: str, *, stored_before: datetime
    ) -> FeaturesProgress:
        self.calls.append((name, digest, stored_before))
        return self._answer(len(self.calls))


class _Clock:
    """Moves only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _progress(*, ready: bool, waiting: int = 0, failure: str | None = None) -> FeaturesProgress:
    return FeaturesProgress(
        digest="d" * 64,
        ready=ready,
        waiting_requests=waiting,
        featured=5,
        quarantined=0,
        failure=failure,
        mark=7,
    )


def _wait(api: Any, clock: _Clock) -> Any:
    pinned: Any = SimpleNamespace(
        digest="d" * 64, definition=SimpleNamespace(name="churn")
    )  # all that is used of it
    return wait_for_features(api, pinned, NOW, wait_s=10, clock=clock, sleep=clock.sleep)


def test_it_waits_until_etl_is_done() -> None:
    """The progress is read until it is ready, for what was stored before the run began."""
    api, clock = _Api(lambda turn: _progress(ready=turn == 4, waiting=4 - turn)), _Clock()

    assert 5 == _wait(api, clock).featured
    assert (4, 3.0) == (len(api.calls), clock.now)
    assert api.calls[0] == ("churn", "d" * 64, NOW)


def test_the_wait_ends() -> None:
    """After its time it says how many requests wait, and that another try makes sense."""
    clock = _Clock()
    with pytest.raises(Unavailable, match="7 requests wait"):
        _wait(_Api(lambda _: _progress(ready=False, waiting=7)), clock)

    assert 10 <= clock.now <= 10.1


def test_broken_features_are_not_waited_for() -> None:
    """When etl can't run features.py the run ends at once with etl's reason."""
    clock = _Clock()
    with pytest.raises(Refused, match="line 3"):
        _wait(_Api(lambda _: _progress(ready=False, failure="features.py, line 3: boom")), clock)

    assert 0 == clock.now
