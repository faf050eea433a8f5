"""Answers that are given before the body has come: the client gets them whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI, Request
from sockets import Counting, connect, rest, serving

from mlplatform import errors
from mlplatform.web import error_responses

PIECE = b"x" * 65536
PIECES = 200
KINDS = [
    errors.Unauthenticated,
    errors.Forbidden,
    errors.TooLarge,
    errors.IntegrityFailure,
    ZeroDivisionError,
]


def failing(kind: type[Exception], after: int) -> FastAPI:
    """An application that fails after it has read so many pieces of a body."""
    app = FastAPI()
    error_responses.install(app)

    @app.post("/count")
    async def count(request: Request) -> None:
        pieces = request.stream()
        for _ in range(after):
            await anext(pieces)
        raise kind("no")

    return app


def send(client: Any, *, chunked: bool, connection: bytes) -> None:
    """A large body in pieces, to its end: what a client does that reads its answer afterwards."""
    size = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % (65536 * PIECES)
    client.sendall(b"POST /count HTTP/1.1\r\nhost: h\r\n%s\r\n%s\r\n" % (size, connection))
    for _ in range(PIECES):
        client.sendall(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
    if chunked:
        client.sendall(b"0\r\n\r\n")


def for_ever(client: Any) -> None:
    """Send until there is nobody any more."""
    while True:
        client.sendall(PIECE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("after", [0, 3])
def test_a_client_that_still_sends_gets_the_whole_answer(
    kind: type[Exception], chunked: bool, after: int
) -> None:
    """No reset while it sends, and a whole document; the connection ends."""
    app = failing(kind, after)
    with serving(app, receive_s=20.0) as server, connect(server) as client:
        send(client, chunked=chunked, connection=b"connection: close\r\n")
        head, _, body = rest(client).partition(b"\r\n\r\n")

    assert b"connection: close" in head
    assert json.loads(body)["status"] == int(head.split(b" ")[1])


@pytest.mark.parametrize("kind", [errors.IntegrityFailure, ZeroDivisionError])
def test_an_error_of_ours_ends_a_kept_connection(kind: type[Exception]) -> None:
    """The client is told, and gets the whole answer, whether it knows of the error or not."""
    with serving(failing(kind, 0), receive_s=20.0) as server, connect(server) as client:
        send(client, chunked=False, connection=b"")
        head, _, body = rest(client).partition(b"\r\n\r\n")

    assert (b"HTTP/1.1 500", True) == (head[:12], b"connection: close" in head)
    assert 500 == json.loads(body)["status"]


def test_a_head_that_is_too_large_is_answered_while_it_comes() -> None:
    """431, whole, to a client that sends on."""
    with serving(Counting(), receive_s=20.0) as server, connect(server) as client:
        client.sendall(b"POST /count HTTP/1.1\r\nhost: h\r\nx: ")
        for _ in range(PIECES):
            client.sendall(PIECE)
        head, _, body = rest(client).partition(b"\r\n\r\n")

    assert b"HTTP/1.1 431" == head[:12]
    assert 431 == json.loads(body)["status"]


def test_what_is_sent_for_ever_is_dropped_for_so_long() -> None:
    """The time of a body bounds it."""
    app = failing(ZeroDivisionError, 0)
    with serving(app, receive_s=0.5) as server, connect(server) as client:
        client.sendall(b"POST /count HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999999\r\n\r\n")

        with pytest.raises(OSError, match=r"reset|pipe"):
            for_ever(client)
