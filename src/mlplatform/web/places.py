"""How many connections a server keeps, and how many of them one address may have.

A caller that opens connections and says nothing needs no token for it. So one address has a share
of all, and the others still get in.
"""

from __future__ import annotations

import resource
from collections import Counter

from mlplatform.telemetry import logger

_OTHER_FILES = 256
"""Databases, logs, the outbox, models; and connections without a place, for their second."""
_log = logger("web")


class Places:
    """`most` places, of which one address gets `share` (0 to 1, one place at least).

    For one event loop: not safe between threads.
    """

    def __init__(self, most: int, share: float) -> None:
        self._free = most
        self._each = max(1, int(most * share))
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """A place for a connection from `address`, or False when there is none for it."""
        if not self._free or self._taken[address] >= self._each:
            return False
        self._free -= 1
        self._taken[address] += 1
        return True

    def give_back(self, address: str) -> None:
        """The connection has ended."""
        self._free += 1
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]  # addresses come and go: the table must not grow


def room_for(connections: int) -> int:
    """So many connections, or as many as this process may have open files.

    A usual shell allows 1,024 files, and more to whoever asks.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _log.warning("fewer connections, for want of open files", files=allowed, wanted=wanted)
    return max(1, allowed - _OTHER_FILES)
