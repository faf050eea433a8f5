"""Ports of local mode: the usual ones where they are free, others where not."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlplatform.errors import Unavailable

HOST = "127.0.0.1"

DEFAULTS: Mapping[str, int] = {
    "serving": 8080,
    "dataapi": 8081,
    "mlflow": 5000,
    "primary": 15432,
    "standby": 15433,
    "shipper": 9181,  # this and the next two: their health and metrics page
    "consumer": 9182,
    "etl": 9183,
    "kafka": 9092,
}

OTHERS = range(20_000, 30_000)
"""Below those of outgoing connections, which could take a port before its server is up."""
TRIES = 200


def choose(
    usual: Mapping[str, int] = DEFAULTS, *, claims: contextlib.ExitStack | None = None
) -> dict[str, int]:
    """A free port for each name: the usual one, else any. Usual port 0: any.

    With `claims` no other stack on this machine gets the same ports until that is closed: a server
    binds its port seconds later, and a second stack must not find it free in between. Raises
    Unavailable when there is no free port.
    """
    # All are held until the last is chosen, so that none is chosen twice.
    with contextlib.ExitStack() as held:
        return {name: _take(held, claims, port) for name, port in usual.items()}


def free(port: int) -> bool:
    """True when no process listens on that port of this machine."""
    with contextlib.ExitStack() as held:
        return _bind(held, port)


def _take(held: contextlib.ExitStack, claims: contextlib.ExitStack | None, usual: int) -> int:
    draw = random.SystemRandom()
    for candidate in (*([usual] if usual else []), *(draw.choice(OTHERS) for _ in range(TRIES))):
        if _bind(held, candidate) and (claims is None or _claim(claims, candidate)):
            return candidate
    raise Unavailable(
        f"no free port was found in {TRIES} tries between {OTHERS[0]} and {OTHERS[-1]}"
    )


def _bind(held: contextlib.ExitStack, port: int) -> bool:
    candidate = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # A server can have a port in TIME_WAIT. The option lets two sockets bind one port, though, so
    # only listening shows that it is free.
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind((HOST, port))
        candidate.listen(1)
    except OSError:
        return False
    return True


def _claim(claims: contextlib.ExitStack, port: int) -> bool:
    """Lock a file in the port's name; the lock ends with the program, however that ends."""
    folder = Path(tempfile.gettempdir()) / f"mlplatform-ports-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"can't use the folder {folder}: {error.strerror}", fix="remove what is in its place"
        ) from error
    try:
        file = (folder / str(port)).open("w")
    except OSError:  # something else lies in its place: another port will do
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    claims.enter_context(file)
    return True
