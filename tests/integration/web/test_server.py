"""Connections that bring too little, too slowly or too many of their kind, over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from sockets import GET, HEAD, RECEIVE_S, Counting, connect, one, rest, serving


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
        first.sendall(HEAD + b"abcd")
        again = one(first, b"\r\n\r\n4")

    assert [b"200", b"503", b"200"] == [
        answer.split(b" ", 2)[1] for answer in (health, head, again)
    ]
    assert b"retry-after: 1" in head
    assert "urn:mlplatform:Unavailable" == json.loads(body)["type"]


def test_one_address_cannot_take_all_connections() -> None:
    """Silent ones above its share end within moments, and others are served meanwhile."""
    with (
        serving(Counting(), receive_s=60.0, max_connections=8, share=0.5) as server,
        ExitStack() as stack,
    ):
        silent = [stack.enter_context(connect(server, of="127.0.0.2")) for _ in range(12)]
        with connect(server) as other:
            other.sendall(HEAD + b"abcd")
            answer = one(other, b"\r\n\r\n4")
        surplus = [rest(each) for each in silent[4:]]
        silent[0].sendall(HEAD + b"abcd")
        kept = one(silent[0], b"\r\n\r\n4")
        with connect(server, of="127.0.0.2") as late:
            late.sendall(HEAD + b"abcd")
            refused = rest(late)

    assert [b""] * 8 == surplus
    assert [b"200", b"200", b"503"] == [each.split(b" ", 2)[1] for each in (answer, kept, refused)]


def test_a_head_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives bodies long gives heads less."""
    monkeypatch.setattr("mlplatform.web.server.HEAD_S", RECEIVE_S)
    with serving(Counting(), receive_s=60.0) as server, connect(server) as client:
        client.sendall(HEAD[:-2])

        assert b"" == rest(client)


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
