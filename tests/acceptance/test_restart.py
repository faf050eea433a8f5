"""Stopping leaves nothing running, and a second start finds everything where it was."""

from __future__ import annotations

import json
import os
import signal

import pytest

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole tour


@pytest.fixture
def bare(homes, make_stack, request):
    """A platform of its own, with pipelines applied and some rows, but without the tour."""
    made = make_stack(homes / request.node.name[:20])
    made.up("--no-tour")
    made.cli("apply", "diabetes")
    yield made
    made.end()


def test_down_leaves_nothing_running(stack, processes) -> None:
    """After `down` no process is left, not even a grandchild; a second `down` has nothing to do."""
    tree = processes.below(stack.process.pid)
    assert len(tree) > len(stack.pids())
    stack.end()

    assert set() == processes.alive(tree)
    assert "nothing is running\n" == stack.cli("down").stdout
    assert 1 == stack.cli("status", ok=False).returncode


def test_a_second_start_reuses_the_first(stopped) -> None:
    """The same versions answer; nothing is imported or trained again; every request is there."""
    before = stopped.summaries[0]
    after = stopped.up()

    assert not after["first_start"]
    assert {name: line["versions"] for name, line in after["pipelines"].items()} == {
        name: [old] for name, old in stopped.answered.items()
    }
    assert {0} == {line["imported"] for line in after["pipelines"].values()}
    assert stopped.json("balance")["requests"]["stored"] >= before["balance"]["requests"]["stored"]


def test_one_home_is_for_one_stack(stack) -> None:
    """A second `up` on a running home is refused and harms nothing."""
    refused = stack.cli("up", "--no-tour", ok=False)

    assert 1 == refused.returncode
    assert "is running in" in refused.stderr
    assert "stopped" not in refused.stderr
    assert stack.json("status")["well"]


def test_killing_the_parent_leaves_nothing_and_loses_nothing(
    bare, processes, wait, tmp_path
) -> None:
    """After kill -9 of `mlplatform up` its processes end; the next start finds the stored rows."""
    file = tmp_path / "rows.ndjson"
    row = {"age": 50, "sex": 1, "bmi": 25.0, "blood_pressure": 90.0, "total_cholesterol": 180.0,
           "ldl": 100.0, "hdl": 50.0, "cholesterol_ratio": 3.6, "log_triglycerides": 4.8,
           "glucose": 90.0, "progression": 120.0, "patient": "p-1"}  # fmt: skip
    file.write_text(json.dumps(row) + "\n")
    bare.cli("import", "diabetes", str(file))
    wait(lambda: bare.json("balance")["rows"]["diabetes"]["featured"] == 1)
    tree = processes.below(bare.process.pid)
    os.kill(bare.process.pid, signal.SIGKILL)
    wait(lambda: not processes.alive(tree))
    bare.process.communicate()
    bare.up("--no-tour")

    assert 1 == bare.json("balance")["rows"]["diabetes"]["featured"]
