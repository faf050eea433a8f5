"""Following a training to its end, on a data API in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.client.run_watch import AWAY_S, follow, require_success
from mlplatform.client.versions import version_of
from mlplatform.contracts.exit_code import exit_code
from mlplatform.contracts.run import Run, RunFailure
from mlplatform.errors import CutShort, PlatformError, Unavailable, UnknownName

AWAY = Unavailable("restarted")


def run(state: Any, **more: Any) -> Run:
    """A run in that state."""
    return Run(
        id="r", pipeline="p", job="p-1", state=state, reason="", caller="me", started_at=None,
        requested_at=datetime(2026, 1, 1, tzinfo=UTC), finished_at=None, **{"changes": 1, **more},
    )  # fmt: skip


class Server:
    """Gives these runs, one a call, or raises; each call takes as long as it may wait."""

    def __init__(self, *found: Run | Exception) -> None:
        self.found = list(found)
        self.now = 0.0
        self.seen: list[int | None] = []

    def run(self, _: str, __: str, *, wait_s: float, seen: int | None) -> Run:
        """As DataApi does."""
        self.now += wait_s
        self.seen.append(seen)
        one = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(one, Exception):
            raise one
        return one

    def versions(self, _: str) -> list[Any]:
        """Two versions."""
        return [type("V", (), {"version": number})() for number in ("10", "9")]

    def sleep(self, seconds: float) -> None:
        """Time goes on."""
        self.now += seconds

    def follow(self, begun: Run, **more: Any) -> Run:
        """Follow a run on this server."""
        api = cast("DataApi", self)
        return follow(api, begun, clock=lambda: self.now, sleep=self.sleep, **more)


def test_a_run_is_followed_through_every_change_and_an_outage() -> None:
    """Each call asks for what is newer than the last answer; its own version is returned."""
    states = [run("running", changes=2), AWAY, run("succeeded", changes=3, version="9")]
    server, shown = Server(*states), list[str]()
    ended = server.follow(run("waiting"), on_change=lambda now: shown.append(now.state))

    assert ["running", "succeeded"] == shown
    assert [1, 2, 2] == server.seen
    assert "9" == version_of(cast("DataApi", server), require_success(ended)).version
    with pytest.raises(UnknownName, match="made no version"):
        version_of(cast("DataApi", server), run("succeeded"))


def test_waiting_has_an_end() -> None:
    """At the time limit, while the run goes on; and when the data API is away for long."""
    with pytest.raises(CutShort, match="not ended in time, and goes on"):
        Server(run("running")).follow(run("running"), timeout_s=90)
    server = Server(AWAY)
    with pytest.raises(Unavailable, match="restarted"):
        server.follow(run("running"))

    assert AWAY_S < server.now < 2 * AWAY_S


@pytest.mark.parametrize(
    ("ended", "code", "said"),
    [
        (run("failed", exit_code=2, failure=RunFailure(kind="NotGoodEnough", message="auc 0.6")),
         2, "r has failed: auc 0.6"),
        (run("lost", exit_code=5), 5, "r was lost .its log says why"),
        (run("cancelled", exit_code=6), 6, "r was cancelled"),
        (run("failed", exit_code=1), 1, "r has failed"),
    ],
)  # fmt: skip
def test_a_run_that_did_not_succeed_says_why(ended: Run, code: int, said: str) -> None:
    """As an error that has the exit code of the run."""
    with pytest.raises(PlatformError, match=said) as raised:
        require_success(ended)

    assert code == exit_code(raised.value)
