"""Reports of a run: in the background, all that is known, and an end whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.exit_code import error_for, exit_code
from mlplatform.contracts.lease import Lease
from mlplatform.contracts.run_report import RunEnd
from mlplatform.errors import (
    CutShort,
    InvalidInput,
    LeaseHeld,
    ManifestMismatch,
    NotGoodEnough,
    PlatformError,
    Refused,
    StandbyLagging,
    Unauthenticated,
    Unavailable,
    UnfitModel,
)
from mlplatform.trainer import reporter as module
from mlplatform.trainer.reporter import RunReporter, reported
from mlplatform.trainer.run_end import MOST_TEXT, ended_by

LEASE = Lease(pipeline="churn", holder="me", run="r", expires_at=datetime(2026, 1, 1, tzinfo=UTC))


class Server:
    """Keeps the reports; raises what `failing` gives for the number of the call."""

    def __init__(self, failing: Callable[[int], Exception | None] = lambda _: None) -> None:
        self.told: list[dict[str, Any]] = []
        self.calls = 0
        self.called = threading.Event()
        self._failing = failing

    def report_run(self, pipeline: str, run: str, **facts: Any) -> None:
        """As DataApi does."""
        assert (LEASE.pipeline, LEASE.run) == (pipeline, run)
        self.calls += 1
        failure = self._failing(self.calls)
        self.called.set()
        if failure is not None:
            raise failure
        self.told.append(facts)

    @property
    def api(self) -> DataApi:
        """It, as the client."""
        return cast("DataApi", self)


def steps(told: dict[str, Any]) -> dict[str, float | None]:
    """Step -> seconds."""
    return {each.step: each.seconds for each in told["steps"]}


def test_a_report_says_all_and_numbers_go_up() -> None:
    """Steps in their order, facts, and at last how it ended."""
    server = Server()
    with reported(server.api, LEASE) as reporter:
        reporter.step("pin", None)
        assert server.called.wait(10)
        reporter.step("pin", 0.5)
        reporter.note(commit="c0ffee")
        reporter.step("wait", None)
    numbers = [each["number"] for each in server.told]
    last = server.told[-1]

    assert sorted(set(numbers)) == numbers
    assert {"pin": 0.5, "wait": None} == steps(last)
    assert ("c0ffee", RunEnd(state="succeeded", exit_code=0)) == (last["commit"], last["end"])


def test_an_outage_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits meanwhile; the first report that comes through says what was missed."""
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    server = Server(lambda call: Unavailable("away") if call <= 5 else None)
    reporter = RunReporter(server.api, LEASE, sleep=lambda _: None)
    reporter.start()
    reporter.step("pin", 0.5)
    while not server.told:
        server.called.wait(10)
    reporter.end(RunEnd(state="succeeded", exit_code=0))

    assert {"pin": 0.5} == steps(server.told[0])
    assert server.told[0]["number"] > 5
    assert "end" in server.told[-1]


@pytest.mark.parametrize("failure", [Unavailable("away"), Unauthenticated("the lease has ended")])
def test_no_report_fails_a_run(failure: PlatformError) -> None:
    """Not while it goes on, and not at its end: that is tried for a bounded time."""
    slept: list[float] = []
    server = Server(lambda _: failure)
    reporter = RunReporter(server.api, LEASE, last_s=0.0, sleep=slept.append)
    reporter.start()
    reporter.step("pin", None)
    assert server.called.wait(10)
    reporter.end(RunEnd(state="succeeded", exit_code=0))

    assert ([], []) == (server.told, slept)


def test_the_error_of_a_run_is_its_end() -> None:
    """With kind, field and fix; a signal is a cancellation; a text of any length fits."""
    server = Server()
    with pytest.raises(NotGoodEnough), reported(server.api, LEASE):
        raise NotGoodEnough("auc is 0.6", field="gates", fix="look")
    killed, long = ended_by(SystemExit(6)), ended_by(ValueError("\0" + "x" * 9_000))
    end = server.told[-1]["end"]

    assert ("failed", 2) == (end.state, end.exit_code)
    assert ("NotGoodEnough", "auc is 0.6", "gates", "look") == tuple(
        getattr(end.failure, name) for name in ("kind", "message", "field", "fix")
    )
    assert ("cancelled", 6) == (killed.state, killed.exit_code)
    assert long.failure is not None
    assert (1, "ValueError", "x" * MOST_TEXT) == (
        long.exit_code, long.failure.kind, long.failure.message,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotGoodEnough("a gate"), 2),
        (UnfitModel("its trial"), 2),
        (InvalidInput("data"), 3),
        (Refused("features.py"), 3),
        (LeaseHeld("another run"), 4),
        (Unauthenticated("a wrong token"), 1),
        (StandbyLagging("too far behind"), 5),
        (CutShort("timeout_s"), 6),
        (SystemExit(6), 6),
        (KeyboardInterrupt(), 6),
        (ManifestMismatch("bytes"), 1),
        (ZeroDivisionError(), 1),
    ],
)
def test_exit_codes_say_why(error: BaseException, code: int) -> None:
    """Whoever started the run learns its kind; the error of a code has that code."""
    assert code == exit_code(error)
    assert code == exit_code(error_for(code)(""))
