"""A process whose event loop stands still is ended, whatever holds it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVER = """
import asyncio, time
from mlplatform.web.server import Config
from mlplatform.web.watched_server import run

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    asyncio.get_running_loop().call_later(0.3, lambda: %s)
    await receive()
    await send({"type": "lifespan.shutdown.complete"})

run(Config(app, host="127.0.0.1", port=0, drain_s=1, receive_s=1, max_connections=8,
           address_share=1), stuck_s=%s)
"""


def _end(holds: str, stuck_s: float) -> tuple[int, bool]:
    """The exit code, and whether the traceback of the standing loop was written."""
    argv = [sys.executable, "-c", SERVER % (holds, stuck_s)]
    ended = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    return ended.returncode, b"Timeout" in ended.stderr


@pytest.mark.parametrize("holds", ["sum(range(10**15))", "time.sleep(3600)"])
def test_a_loop_that_is_held_for_ever_ends_its_process(holds: str) -> None:
    """Also by a call into C that never lets another thread run."""
    assert (1, True) == _end(holds, 1.0)


def test_a_loop_that_is_held_for_a_moment_goes_on() -> None:
    """It ends when it is told to, after more than its limit in all."""
    later = "(time.sleep(0.5), asyncio.get_running_loop().call_later(3, __import__('os').kill, "
    later += "__import__('os').getpid(), 15))"
    code, stood = _end(later, 2.0)

    assert (False, True) == (stood, code in (0, -15))
