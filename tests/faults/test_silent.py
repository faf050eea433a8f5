"""A process that stands still, and is neither dead nor well."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from answers import answered, stored
from load import until
from whole import Platform

from mlplatform.errors import TryLater


@contextmanager
def impatient(platform: Platform, name: str) -> Iterator[None]:
    """The supervisor ends that process as soon as it is called silent, and not a minute later."""
    child = platform.stack.supervisor._children[name]
    usual = child.spec
    child.spec = replace(usual, silent_s=1.0)
    try:
        yield
    finally:
        child.spec = usual


def test_a_stopped_serving_is_told_and_replaced(platform: Platform) -> None:
    """`status` says since when it does not answer; then it starts again.

    Every request that it answered before and after is stored with its predictions, row by row.
    """
    processes = platform.stack.supervisor
    before = processes.status()["serving"]
    given = answered(platform, 20)
    with platform.load() as load:
        os.kill(before.pid or 0, signal.SIGSTOP)
        processes.wait("serving", lambda status: status.state == "silent", timeout_s=60)
        told = _status(platform)
        with impatient(platform, "serving"):
            back = processes.wait(
                "serving",
                lambda status: status.restarts > before.restarts and status.state == "ready",
                timeout_s=60,
            )
        load.await_answers(20)
    given |= answered(platform, 20)
    until(lambda: set(given) <= set(stored(platform)), "all of them are stored")
    found = stored(platform)

    assert re.search(r"serving +│? *not answering since \d\d:\d\d:\d\d", told), told
    assert (True, -signal.SIGKILL) == (before.pid != back.pid, back.exit_code)
    assert given == {request: found[request] for request in given}
    assert all(isinstance(error, TryLater) for error in load.refused)


def test_a_stopped_etl_is_replaced_and_no_answer_waits_for_it(platform: Platform) -> None:
    """Its loop's page does not answer; what came in meanwhile is made features of afterwards."""
    processes = platform.stack.supervisor
    before = processes.status()["etl"]
    with platform.load() as load, impatient(platform, "etl"):
        os.kill(before.pid or 0, signal.SIGSTOP)
        processes.wait(
            "etl",
            lambda status: status.restarts > before.restarts and status.state == "ready",
            timeout_s=60,
        )

    assert [] == load.refused


def _status(platform: Platform) -> str:
    """What `mlplatform status` prints, with exit code 1."""
    home = str(platform.stack.options.home)
    argv = [sys.executable, "-m", "mlplatform", "status", "--home", home]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert 1 == done.returncode
    return done.stdout
