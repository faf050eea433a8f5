"""The disk of the outbox hangs for a while: calls to it don't return, and nothing fails."""

from __future__ import annotations

from urllib.request import urlopen

import pytest
from answers import answered, stored
from hanging import HangingStack
from load import until
from whole import Platform

from mlplatform.errors import TryLater


def test_a_hanging_disk_costs_answers_and_no_request(platform: Platform) -> None:
    """Requests are refused in time, health is told, and what was answered is stored as it was."""
    stack = platform.stack
    assert isinstance(stack, HangingStack)
    if stack.disk is None:
        pytest.skip("needs Linux and a C compiler, for a library that makes fdatasync hang")
    before = answered(platform, 20)
    pid, restarts = stack.pids()["serving"], stack.supervisor.status()["serving"].restarts
    with platform.load() as load:
        stack.disk.hangs.touch()
        try:
            until(lambda: len(load.refused) >= 4, "requests are refused")
            done = len(load.answered)
            with urlopen(f"{stack.state.urls['serving']}/healthz", timeout=5) as page:
                healthy = page.status
            goal = len(load.refused) + 4
            until(lambda: len(load.refused) >= goal, "more requests are refused")
            during = len(load.answered) - done
        finally:
            stack.disk.hangs.unlink()
        load.await_answers(20)
    after = answered(platform, 20)
    until(lambda: after.keys() <= stored(platform).keys(), "the last answers are stored")
    rows = stored(platform)

    assert (200, 0) == (healthy, during)
    assert all(isinstance(error, TryLater) for error in load.refused)
    assert before | after == {key: rows[key] for key in before | after}
    assert set(load.answered) <= rows.keys()
    assert (pid, restarts) == (
        stack.pids()["serving"],
        stack.supervisor.status()["serving"].restarts,
    )
