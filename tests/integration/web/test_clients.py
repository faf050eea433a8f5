"""Clients that offer upgrades, send large heads, ask with HEAD or speak HTTP/1.0."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from fastapi import FastAPI
from sockets import GET, Counting, connect, one, rest, serving

from mlplatform.web import pages
from mlplatform.web.server import MAX_HEAD_BYTES

UPGRADE = (
    b"POST /count HTTP/1.1\r\nhost: here\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n"
)
SIZED = UPGRADE + b"content-length: 4\r\n\r\nabcd"
CHUNKED = UPGRADE + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
HEAD_OF_CHUNKS = b"POST /count HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"


def large(size: int) -> bytes:
    """A GET whose head is of that many bytes."""
    start = GET[:-2] + b"x: "
    return start + b"y" * (size - len(start) - 4) + b"\r\n\r\n"


def codes(answers: bytes) -> list[bytes]:
    """The HTTP codes of answers that came one after another."""
    return [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("request_", [SIZED, CHUNKED])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_offered_upgrade_is_ignored_and_the_body_kept(request_: bytes, size: int) -> None:
    """However the request is cut in pieces, and again on the same connection."""
    with serving(Counting(), receive_s=10.0) as server, connect(server) as client:
        found = []
        for _ in range(2):
            for at in range(0, len(request_), size):
                client.sendall(request_[at : at + size])
            found.append(one(client, b"\r\n\r\n4"))
        client.sendall(GET)
        found.append(one(client, b"\r\n\r\n0"))

    assert [b"200"] * 3 == codes(b"".join(found))


def test_upgrades_in_one_piece_are_answered_in_turn() -> None:
    """Nothing of what follows an upgrade in its piece is lost."""
    with serving(Counting(), receive_s=10.0) as server, connect(server) as client:
        bare = UPGRADE.replace(b"POST", b"GET") + b"\r\n"
        last = GET.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
        client.sendall(bare * 50 + SIZED + CHUNKED + last)
        answers = rest(client)

    assert [b"200"] * 53 == codes(answers)
    assert 2 == answers.count(b"\r\n\r\n4")


def test_the_application_sees_the_head_without_the_upgrade() -> None:
    """All the other headers are as they were sent."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope.get("headers", []))
        await Counting()(scope, receive, send)

    with serving(app) as server, connect(server) as client:
        client.sendall(SIZED)
        one(client, b"\r\n\r\n4")

    assert [
        (b"host", b"here"),
        (b"connection", b"Upgrade, HTTP2-Settings"),
        (b"http2-settings", b"AAMAAABkAAQBAAAAAAIAAAAA"),
        (b"content-length", b"4"),
    ] == seen


def test_nothing_is_tunnelled() -> None:
    """CONNECT is answered 400, and what follows it is no request."""
    with serving(Counting()) as server, connect(server) as client:
        client.sendall(b"CONNECT /count HTTP/1.1\r\nhost: here\r\n\r\n" + GET)

        assert [b"400"] == codes(rest(client))


@pytest.mark.parametrize("before", [b"", GET])
def test_a_head_may_be_as_large_as_the_limit(before: bytes) -> None:
    """One byte more is answered 431, and the connection closed."""
    found = []
    for size in (MAX_HEAD_BYTES, MAX_HEAD_BYTES + 1):
        with serving(Counting(), receive_s=10.0) as server, connect(server) as client:
            if before:
                client.sendall(before)
                one(client, b"\r\n\r\n0")
            client.sendall(large(size))
            found += codes(one(client, b"\r\n\r\n"))

    assert [b"200", b"431"] == found


@pytest.mark.parametrize(
    "piece", [b"a" * 1000, b"x: y\r\n" * 100, b"\r\n" * 100], ids=["one", "many", "no"]
)
def test_a_head_without_end_is_refused_when_it_is_too_large(piece: bytes) -> None:
    """The client sees the problem document although it still sends."""
    app = Counting()
    with serving(app, receive_s=60.0) as server, connect(server) as client:
        if piece.strip():
            client.sendall(b"POST /count HTTP/1.1\r\nhost: here\r\n" + piece[:1])
        started = time.monotonic()
        for _ in range(1 + 2 * MAX_HEAD_BYTES // len(piece)):
            client.sendall(piece)
        head, _, body = rest(client).partition(b"\r\n\r\n")

    assert [b"431"] == codes(head)
    assert b"connection: close" in head
    assert "urn:mlplatform:HeadTooLarge" == json.loads(body)["type"]
    assert time.monotonic() - started < 30


def test_a_large_head_behind_a_request_costs_that_one_nothing() -> None:
    """The request before it gets its answer, and no answer is taken for another's."""
    with serving(Counting(pause_s=0.2), receive_s=10.0) as server, connect(server) as client:
        client.sendall(GET + large(MAX_HEAD_BYTES + 1))

        assert [b"200"] == codes(rest(client))


@pytest.mark.parametrize("piece", [b";" + b"a" * 1000, b"x: " + b"y" * 1000 + b"\r\n"])
def test_what_surrounds_chunks_is_bounded_as_the_head_is(piece: bytes) -> None:
    """Chunk extensions and trailers are no way around the limit."""
    app = Counting()
    with serving(app, receive_s=60.0) as server, connect(server) as client:
        client.sendall(HEAD_OF_CHUNKS + (b"1" if piece.startswith(b";") else b"0\r\n"))
        client.sendall(piece * (8 * MAX_HEAD_BYTES // len(piece)))  # more than one read takes

        assert [b"431"] == codes(rest(client))
    assert ["disconnect"] == app.notices


def test_a_large_body_is_not_a_large_head() -> None:
    """Bodies have bounds of their own; the next head on the connection is counted afresh."""
    size = 10 * MAX_HEAD_BYTES
    sized = b"POST /count HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % size
    chunks = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    with serving(Counting(), receive_s=10.0) as server, connect(server) as client:
        found = b""
        for request in (
            sized + b"x" * size,
            HEAD_OF_CHUNKS + chunks * (size // 0x1000) + b"0\r\nt: 1\r\n\r\n",
        ):
            client.sendall(request)
            found += one(client, b"\r\n\r\n%d" % size)
        client.sendall(GET)
        found += one(client, b"\r\n\r\n0")

    assert [b"200"] * 3 == codes(found)


def test_trailers_are_no_headers() -> None:
    """What an application reads of the head can't be added to later."""
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await Counting()(scope, receive, send)

    with serving(app) as server, connect(server) as client:
        client.sendall(HEAD_OF_CHUNKS + b"0\r\nauthorization: Bearer x\r\n\r\n")
        one(client, b"\r\n\r\n0")

        assert [b"host", b"transfer-encoding"] == [name for name, _ in scopes[-1]["headers"]]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/none"])
def test_head_answers_as_get_without_the_body(path: str) -> None:
    """Code and headers are those of GET, and the connection is kept."""
    app = FastAPI()
    app.include_router(pages.router(_ready))
    with serving(app) as server, connect(server) as client:
        asked = GET.replace(b"/healthz", path.encode())
        client.sendall(asked.replace(b"GET", b"HEAD"))
        head, _, body = one(client, b"\r\n\r\n").partition(b"\r\n\r\n")
        client.sendall(asked.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
        got, _, page = rest(client).partition(b"\r\n\r\n")

    assert b"" == body
    assert page
    assert _comparable(got) == _comparable(head)


def _comparable(head: bytes) -> list[bytes]:
    """The date may be another, metrics grow between the two, and one asked to close."""
    unsteady = (b"date:", b"connection:", b"content-length:")
    return [line for line in head.split(b"\r\n") if not line.startswith(unsteady)]


async def _ready() -> None:
    """Nothing is missing."""


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_http_1_0_gets_no_chunks(method: bytes) -> None:
    """A body of unknown length ends with the connection; HTTP/1.1 gets it chunked."""
    with serving(streaming) as server:
        found = []
        for version in (b"1.0", b"1.1"):
            with connect(server) as client:
                client.sendall(
                    method + b" / HTTP/" + version + b"\r\nhost: here\r\nconnection: close\r\n\r\n"
                )
                head, _, body = rest(client).partition(b"\r\n\r\n")
            found.append((b"chunked" in head, b"connection: close" in head, body))
    has_body = method == b"GET"
    plain, chunks = b"one two", b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"

    assert [
        (False, True, plain * has_body),
        (has_body, True, chunks * has_body),
    ] == found


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    """Answers in pieces, without a length."""
    if scope["type"] == "lifespan":
        await Counting()(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"one ", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
