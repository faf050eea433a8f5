"""The other end of `mlplatform.features.child`: what a child process does first."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import IO

_PR_SET_PDEATHSIG = 1


def pipes(parent: int) -> tuple[IO[bytes], IO[bytes]] | None:
    """Messages in, frames out; from here on the process ends with `parent`.

    None when that has ended already.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        return None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What foreign code prints goes to the log, not between our answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return os.fdopen(os.dup(0), "rb"), out
