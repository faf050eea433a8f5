"""How the child of a foreign file begins: it leaves the network, then imports what reads the file.

In this order: a process that isn't root may only leave while it has one thread, and the libraries
start more.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib import import_module

_CLONE_NEWNET, _CLONE_NEWUSER = 0x4000_0000, 0x1000_0000


def leave_network() -> bool:
    """Into a network of its own that leads nowhere; False where the system doesn't let us."""
    if not sys.platform.startswith("linux"):
        return False
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


if __name__ == "__main__":
    leave_network()
    import_module("mlplatform.engine.foreign.child").main(int(sys.argv[1]))
    os._exit(0)  # threads of libraries must not hold it up
