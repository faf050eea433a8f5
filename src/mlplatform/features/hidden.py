"""Secrets of this process out of the reach of its children, which may run code of others.

Where a child can't have a user of its own, as in a pod, it could read our environment, with a token
or a database's password, in /proc.
"""

from __future__ import annotations

import ctypes
import sys

from mlplatform.vendor_telemetry import OFF

ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    **OFF,
}
"""All that a child process sees of the environment."""
_PR_SET_DUMPABLE = 4


def hide() -> None:
    """Let no other process of the same user read memory, environment or open files of this one.

    prctl(2), PR_SET_DUMPABLE: /proc/<pid> belongs to root from now on. Linux only; elsewhere there
    is no such file system. A program that is executed anew begins open.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
