"""What `approve`, `promote` and `rollback` say of serving, on one machine."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlplatform.cli import answering
from mlplatform.errors import Unavailable


def _why(outbox: Any, degraded: dict[str, str]) -> str:
    serving = SimpleNamespace(outbox=outbox, ready=lambda: degraded)
    platform = SimpleNamespace(serving=lambda: nullcontext(serving))
    return answering.await_answer(cast("Any", platform), "loans", "2")


def test_it_waits_until_serving_has_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next prediction is this version's."""
    monkeypatch.setattr(answering, "POLL_S", 0)
    answers = iter([{}, {"loans": "1"}, {"loans": "2"}])

    assert "" == _why(lambda: SimpleNamespace(versions=next(answers)), {})
    assert [] == list(answers)


def test_a_version_that_serving_refuses_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """With serving's own reason, after the time limit."""
    monkeypatch.setattr(answering, "TAKE_UP_S", 0)

    assert "its file is damaged" == _why(
        lambda: SimpleNamespace(versions={}), {"loans": "its file is damaged"}
    )


def test_serving_that_is_away_costs_no_time() -> None:
    """The decision is recorded whatever serving does."""

    def away() -> None:
        raise Unavailable("no answer from serving")

    assert "no answer from serving" == _why(away, {})
