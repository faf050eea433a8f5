"""The watchdog of a loop."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlplatform import watchdog


def test_a_loop_that_hangs_ends_its_process() -> None:
    """A loop that turns is left alone; one that stands still ends with a traceback."""
    program = """
import time
from mlplatform.watchdog import turned, watch
def stand_still():
    time.sleep(60)
watch(0.5)
for _ in range(8):
    turned()
    time.sleep(0.1)
print("turned", flush=True)
stand_still()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )

    assert (1, "turned\n") == (done.returncode, done.stdout)
    assert "stand_still" in done.stderr


def test_nobody_is_watched_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that runs inside of another program, say a test, winds no timer up."""
    wound: list[float] = []
    monkeypatch.setattr(
        "faulthandler.dump_traceback_later", lambda seconds, **_: wound.append(seconds)
    )
    watchdog.turned()

    assert [] == wound


def test_work_that_may_take_longer_is_waited_for() -> None:
    """Inside of the block its own limit holds, behind it the usual one again."""
    program = """
import time
from mlplatform.watchdog import allowing, watch
watch(0.3)
with allowing(60):
    time.sleep(1)
    print("done", flush=True)
time.sleep(60)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )

    assert (1, "done\n") == (done.returncode, done.stdout)


def test_how_long_a_loop_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its limit and what it may wait for; while it turns, or unwatched, it is nothing."""
    now = [1000.0]
    monkeypatch.setattr("faulthandler.dump_traceback_later", lambda *_, **__: None)
    monkeypatch.setattr("mlplatform.watchdog.time.monotonic", lambda: now[0])
    found = [watchdog.overdue_s()]
    watchdog.watch(60.0, beside_s=300.0)
    for later in (360.0, 5.0):
        now[0] += later
        found.append(watchdog.overdue_s())
    watchdog.turned()
    found.append(watchdog.overdue_s())
    now[0] += 400.0
    watchdog.unwatch()
    found.append(watchdog.overdue_s())

    assert [0.0, 0.0, 5.0, 0.0, 0.0] == found
