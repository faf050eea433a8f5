"""Ports of local mode: the usual ones where they are free, others where not."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

HOST = "127.0.0.1"

DEFAULTS: Mapping[str, int] = {
    "serving": 8080,
    "dataapi": 8081,
    "mlflow": 5000,
    "primary": 15432,
    "standby": 15433,
    "shipper": 9181,  # this and the next two: their metrics page
    "consumer": 9182,
    "etl": 9183,
    "kafka": 9092,
}


def choose(wanted: Mapping[str, int] = DEFAULTS) -> dict[str, int]:
    """A free port for each name: the wanted one, else any. They are held until all are chosen, so none is given twice."""
    with contextlib.ExitStack() as held:
        return {name: _take(held, port) for name, port in wanted.items()}


def free(port: int) -> bool:
    """True when nobody listens on that port of this machine."""
    with contextlib.ExitStack() as held:
        return _take(held, port) == port


def _take(held: contextlib.ExitStack, port: int) -> int:
    candidate = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ports that wait out their TIME_WAIT are free for a server
    try:
        candidate.bind((HOST, port))
        candidate.listen(1)  # two sockets may be bound to one port with this option, but only one can listen
    except OSError:
        candidate.close()
        candidate = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        candidate.bind((HOST, 0))
        candidate.listen(1)
    return int(candidate.getsockname()[1])
