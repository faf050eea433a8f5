"""Ports for servers under test that nothing else takes before the server is up."""

from __future__ import annotations

import itertools
import os
import random
import socket

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
EACH = 1_000
FIRST = 10_000 + WORKER % 8 * EACH
"""A range for each worker of pytest, below the ports of outgoing connections and local mode."""
_offsets = itertools.count(random.randrange(EACH))


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    return free_ports()


def free_ports(count: int = 1) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = FIRST + next(_offsets) % EACH
        if all(_free(port) for port in range(first, first + count)):
            for _ in range(count - 1):
                next(_offsets)
            return first


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # A server can have a port in TIME_WAIT, and only listening shows that nobody else does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True
