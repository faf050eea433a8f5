"""Clients that keep their connections are moved to other servers, and no request fails for it."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import uvicorn
from sockets import HEAD, Counting, connect, one, rest, serving

REQUEST = HEAD + b"abcd"
AGE_S = 0.2
JITTER = 1.25


class Noting(Counting):
    """Notes the port of each client that it answers."""

    def __init__(self, pause_s: float = 0.0) -> None:
        super().__init__(pause_s)
        self.ports: set[int] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            self.ports.add(scope["client"][1])
        await super().__call__(scope, receive, send)


def url(server: uvicorn.Server) -> str:
    """Where it answers."""
    return "http://{}:{}/count".format(*server.servers[0].sockets[0].getsockname())


def test_kept_connections_are_renewed_and_no_request_fails() -> None:
    """Eight clients that never close anything get all their answers, over new connections."""
    app = Noting()

    def work(at: str) -> list[int]:
        end = time.monotonic() + 30.0
        with httpx.Client(timeout=30.0) as client:
            codes = []
            while len(app.ports) < 24 and time.monotonic() < end:  # three connections each
                codes.append(client.post(at, content=b"abcd").status_code)
            return codes

    with serving(app, max_age_s=AGE_S) as server, ThreadPoolExecutor(8) as threads:
        found = [code for codes in threads.map(work, [url(server)] * 8) for code in codes]

    assert {200} == set(found)
    assert 24 <= len(app.ports) < len(found)  # which were kept for a while


def test_only_the_answer_that_ends_a_connection_says_so() -> None:
    """A young connection is kept; the first answer after the age closes it in order."""
    with serving(Counting(), max_age_s=AGE_S) as server, connect(server) as client:
        client.sendall(REQUEST)
        young = one(client, b"\r\n\r\n4")
        time.sleep(AGE_S * JITTER)
        client.sendall(REQUEST)
        old = rest(client)

    assert b"connection:" not in young
    assert b"HTTP/1.1 200" == old[:12]
    assert b"connection: close" in old


def test_requests_in_a_row_are_all_answered_before_the_end() -> None:
    """Of those that came together, and while others were answered, only the last one closes."""
    with serving(Counting(pause_s=0.1), max_age_s=AGE_S) as server, connect(server) as client:
        time.sleep(AGE_S * JITTER)
        client.sendall(REQUEST * 3)
        time.sleep(0.15)
        client.sendall(REQUEST * 2)
        answers = rest(client).split(b"HTTP/1.1 200")[1:]

    assert [False] * 4 + [True] == [b"connection: close" in answer for answer in answers]


def test_what_comes_after_the_last_answer_is_not_answered_with_a_reset() -> None:
    """A client that goes on sending reads its answers, then the end of the connection."""
    with serving(Counting(), max_age_s=AGE_S) as server, connect(server) as client:
        time.sleep(AGE_S * JITTER)
        client.sendall(REQUEST)
        one(client, b"\r\n\r\n4")
        client.sendall(REQUEST)

        assert b"" == rest(client)
        client.shutdown(socket.SHUT_WR)


def test_without_an_age_connections_are_kept() -> None:
    """0 turns it off."""
    app = Noting()
    with serving(app) as server, httpx.Client() as client:
        for _ in range(5):
            client.post(url(server), content=b"abcd")
            time.sleep(AGE_S / 2)

    assert 1 == len(app.ports)
