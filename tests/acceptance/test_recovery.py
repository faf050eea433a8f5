"""A component that is killed comes back, and nothing that was accepted is lost."""

from __future__ import annotations

import os
import signal

import pytest

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole tour


@pytest.mark.parametrize("process", ["serving", "shipper", "consumer", "etl", "dataapi"])
def test_a_killed_component_comes_back(stack, wait, process: str) -> None:
    """After kill -9 the component runs again, the platform answers, and the balance closes."""
    before = stack.json("status")["processes"][process]
    os.kill(before["pid"], signal.SIGKILL)
    wait(
        lambda: (
            (now := stack.json("status", ok=False)["processes"][process])["state"] == "ready"
            and now["pid"] != before["pid"]
        )
    )
    checked = wait(
        lambda: (done := stack.cli("check", "diabetes", ok=False)).returncode == 0 and done.stdout
    )
    balance = wait(lambda: _settled(stack.json("balance")))

    assert "failed" not in checked
    assert [outbox["missing"] for outbox in balance["outboxes"]] == [
        [] for _ in balance["outboxes"]
    ]
    assert stack.json("status")["processes"][process]["restarts"] == before["restarts"] + 1


def _settled(balance):
    return (
        balance
        if all(
            each["accepted"] == each["stored"] + each["dead_lettered"]
            for each in balance["outboxes"]
        )
        else None
    )
