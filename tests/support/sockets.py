"""A server of our kind in a thread, and plain sockets to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn

from mlplatform.web.server import Config

RECEIVE_S = 0.4
HEAD = b"POST /count HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n"


class Counting:
    """Answers how many bytes came, `pause_s` after the last one; notes a missing body."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.notices: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.notices.append("disconnect")
                return
            size, more = size + len(message["body"]), message["more_body"]
        await asyncio.sleep(self.pause_s)
        body = str(size).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(
    app: Any,
    *,
    receive_s: float = RECEIVE_S,
    max_connections: int = 100,
    share: float = 1.0,
    max_age_s: float = 0.0,
) -> Iterator[uvicorn.Server]:
    """A server in a thread, with a long drain."""
    config = Config(
        app,
        host="127.0.0.1",
        port=0,
        drain_s=60.0,
        receive_s=receive_s,
        max_connections=max_connections,
        address_share=share,
        max_age_s=max_age_s,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        thread.join()


def connect(server: uvicorn.Server, *, of: str = "") -> Any:
    """A connection with a deadline of its own, from the loopback address `of` if one is given."""
    address = server.servers[0].sockets[0].getsockname()
    source = (of, 0) if of else None
    return closing(socket.create_connection(address, timeout=10.0, source_address=source))


def rest(connection: socket.socket) -> bytes:
    """All that still comes until the server closes the connection."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


def one(connection: socket.socket, until: bytes) -> bytes:
    """What comes until that was seen."""
    found = b""
    while until not in found:
        piece = connection.recv(65536)
        assert piece, found
        found += piece
    return found
