"""Connections that bring too little, too slowly or too many of their kind, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
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
    app: Any, *, receive_s: float = RECEIVE_S, max_connections: int = 100
) -> Iterator[uvicorn.Server]:
    """A server in a thread, with a long drain."""
    config = Config(
        app,
        host="127.0.0.1",
        port=0,
        drain_s=60.0,
        receive_s=receive_s,
        max_connections=max_connections,
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


def connect(server: uvicorn.Server) -> Any:
    """A connection with a deadline of its own."""
    return closing(
        socket.create_connection(server.servers[0].sockets[0].getsockname(), timeout=10.0)
    )


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


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("part", [b"", b"ab"])
def test_a_body_that_does_not_arrive_is_answered_408(part: bytes) -> None:
    """The client gets a problem document, and the application learns that nothing follows."""
    app = Counting()
    with serving(app) as server, connect(server) as client:
        client.sendall(HEAD + part)
        head, _, body = rest(client).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head
    assert "urn:mlplatform:TooSlow" == json.loads(body)["type"]
    assert ["disconnect"] == app.notices


def test_a_drop_now_and_then_buys_no_time() -> None:
    """The whole body has the time, not every piece of it."""
    with serving(Counting()) as server, connect(server) as client:
        client.sendall(HEAD.replace(b"4", b"4000"))
        started = time.monotonic()
        client.settimeout(RECEIVE_S / 8)
        found = b""
        while not found:
            client.sendall(b"x")
            try:
                found = client.recv(65536)
            except TimeoutError:
                assert time.monotonic() - started < 10 * RECEIVE_S

    assert found.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("said", [b"", b"POST /count HTTP/1.1\r\nhost:", HEAD[:-2]])
def test_a_head_that_does_not_arrive_ends_the_connection(said: bytes) -> None:
    """Without a whole head there is no request to answer: the connection is closed."""
    with serving(Counting()) as server, connect(server) as client:
        client.sendall(said)

        assert b"" == rest(client)


def test_a_stray_line_after_an_answer_keeps_no_connection() -> None:
    """What is not even the beginning of a request is awaited no longer than one."""
    with serving(Counting()) as server, connect(server) as client:
        client.sendall(GET)
        one(client, b"\r\n\r\n0")
        client.sendall(b"\r\n")
        client.settimeout(5 * RECEIVE_S)  # uvicorn would close an idle connection after 5 s

        assert b"" == rest(client)


def test_what_arrives_in_time_is_answered_however_long_that_takes() -> None:
    """A body may come in pieces, an answer may take longer, and the connection is reused."""
    with serving(Counting(pause_s=1.2), receive_s=1.0) as server, connect(server) as client:
        found = []
        for _ in range(2):
            client.sendall(HEAD + b"ab")
            time.sleep(0.05)  # so that it comes in pieces
            client.sendall(b"cd")
            found.append(one(client, b"\r\n\r\n4").split(b" ", 2)[1])

    assert [b"200", b"200"] == found


def test_above_the_limit_requests_are_refused_and_health_is_answered() -> None:
    """503 with Retry-After; the health page is answered as usual."""
    with (
        serving(Counting(), receive_s=10.0, max_connections=2) as server,
        connect(server) as first,
        connect(server),
        connect(server) as third,
    ):
        third.sendall(GET)
        health = one(third, b"\r\n\r\n0")
        third.sendall(HEAD + b"abcd")
        head, _, body = rest(third).partition(b"\r\n\r\n")
        until(lambda: len(server.server_state.connections) == 2)
        first.sendall(HEAD + b"abcd")
        again = one(first, b"\r\n\r\n4")

    assert [b"200", b"503", b"200"] == [
        answer.split(b" ", 2)[1] for answer in (health, head, again)
    ]
    assert b"retry-after: 1" in head
    assert "urn:mlplatform:Unavailable" == json.loads(body)["type"]


def test_half_a_request_does_not_hold_up_the_end() -> None:
    """A server that leaves waits a moment for what is on its way, and no longer."""
    with (
        serving(Counting(), receive_s=60.0) as server,
        connect(server) as client,
        connect(server) as quick,
    ):
        client.sendall(HEAD + b"ab")
        quick.sendall(HEAD + b"ab")
        until(lambda: len(server.server_state.tasks) == 2)
        started = time.monotonic()
        server.should_exit = True
        until(
            lambda: (
                not any(
                    connection.cycle.keep_alive for connection in server.server_state.connections
                )
            )
        )  # it has begun to leave
        quick.sendall(b"cd")
        found = [rest(connection).split(b" ", 2)[1] for connection in (client, quick)]

    assert [b"408", b"200"] == found
    assert time.monotonic() - started < 10
