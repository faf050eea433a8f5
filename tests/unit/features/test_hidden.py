"""What a process keeps from its children."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# In a process that is forked, not executed: what it may read depends on the flag alone. As root it
# becomes another user first, for root may read everything; that hides a process, so it is opened.
SCRIPT = """
import ctypes, os, sys
from mlplatform.features.hidden import hide

def readable():
    child = os.fork()
    if child == 0:
        try:
            open(f"/proc/{os.getppid()}/environ", "rb").close()
        except PermissionError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
before = readable()
hide()
print(before, readable())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: /proc")
def test_a_child_of_the_same_user_can_not_read_the_environment() -> None:
    """It could before."""
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PATH": os.environ["PATH"], "TOKEN": "secret"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "True False\n" == found.stdout
