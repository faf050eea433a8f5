"""Whether a Kafka broker says anything: one request of its protocol, without a client."""

from __future__ import annotations

import socket
import struct

_LIMIT_S = 5.0
# The versions that it knows: the one request that every broker answers before a login. Length, key
# 18, version 0, correlation id, no client id.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def responds(server: str) -> bool:
    """True when the broker at HOST:PORT answers. Blocks for some seconds at most."""
    host, _, port = server.rpartition(":")
    try:
        # A process that stands still takes connections all the same: its kernel does.
        with socket.create_connection((host, int(port)), timeout=_LIMIT_S) as connection:
            connection.sendall(_API_VERSIONS)
            return bool(connection.recv(1))
    except OSError:
        return False
