"""Predictions for clients of other habits: HTTP/1.0, chunks, Expect, compressed bodies."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd
from sockets import one, rest

LARGEST = 512 * 1024
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}
PACKED = pytest.mark.parametrize(("encoding", "pack"), PACKERS.items())


def body(scene: Any, count: int = 1) -> bytes:
    return json.dumps({"rows": scene.rows(count)}).encode()


def head(scene: Any, *lines: bytes, version: bytes = b"1.1") -> bytes:
    token = scene.TOKENS["client"].encode()
    first = b"POST /v1/models/ward/predict HTTP/%s" % version
    own = [b"host: here", b"authorization: Bearer " + token, b"content-type: application/json"]
    return b"\r\n".join([first, *own, *lines, b"", b""])


def length(content: bytes) -> bytes:
    return b"content-length: %d" % len(content)


def connect(child: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", child.port), timeout=10.0)


def answer(client: socket.socket) -> tuple[bytes, dict[str, Any]]:
    """Code and JSON of one response with a Content-Length."""
    found = one(client, b"\r\n\r\n")
    start, _, content = found.partition(b"\r\n\r\n")
    size = int(start.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(content) < size:
        content += client.recv(65536)
    return start.split(b" ", 2)[1], json.loads(content)


@pytest.mark.parametrize("lines", [[], [b"connection: keep-alive"]])
def test_http_1_0_is_answered(shared: Any, scene: Any, lines: list[bytes]) -> None:
    """The connection ends after the answer, which says so, also to a client that would keep it."""
    content = body(scene)
    with connect(shared) as client:
        client.sendall(head(scene, length(content), *lines, version=b"1.0") + content)
        start, _, told = rest(client).partition(b"\r\n\r\n")

    assert b"HTTP/1.1 200 OK" == start.split(b"\r\n")[0]
    assert b"\r\nconnection: close" in start
    assert 1 == len(json.loads(told)["predictions"])


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_chunked_bodies_are_answered(shared: Any, scene: Any, size: int) -> None:
    """However large the chunks are, twice on a connection, and among others with a length."""
    content = body(scene, 3)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    plain = head(scene, length(content)) + content
    chunked = head(scene, b"transfer-encoding: chunked") + chunks
    with connect(shared) as client:
        found = []
        for asked in (plain, chunked, chunked, plain):
            client.sendall(asked)
            found.append(answer(client))

    assert [(b"200", 3)] * 4 == [(code, len(told["predictions"])) for code, told in found]


def test_chunks_without_end_are_cut_at_the_limit(shared: Any, scene: Any) -> None:
    """No length is announced, so the limit holds while the body arrives."""
    with connect(shared) as client:
        client.sendall(head(scene, b"transfer-encoding: chunked"))
        for _ in range(LARGEST // 0x8000 + 1):
            client.sendall(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        code, told = answer(client)

    assert (b"413", "body") == (code, told["field"])


def test_a_client_that_expects_100_continue_sends_its_body_after_it(
    shared: Any, scene: Any
) -> None:
    """The body is asked for only when caller, type and size are right."""
    content = body(scene)
    expect = b"expect: 100-continue"
    with connect(shared) as client:
        for _ in range(2):
            client.sendall(head(scene, length(content), expect))
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == one(client, b"\r\n\r\n")
            client.sendall(content)
            assert b"200" == answer(client)[0]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"content-length: 600000", b"413"),
        (b"content-length: 10\r\ncontent-encoding: br", b"415"),
    ],
)
def test_a_body_that_would_be_refused_is_not_asked_for(
    shared: Any, scene: Any, line: bytes, code: bytes
) -> None:
    """The refusal comes instead of 100, and ends the connection."""
    with connect(shared) as client:
        client.sendall(head(scene, line, b"expect: 100-continue"))
        found = answer(client)[0]
        client.shutdown(socket.SHUT_WR)

        assert b"" == rest(client)
    assert code == found


@PACKED
def test_packed_bodies_are_answered_as_plain_ones(
    shared: Any, scene: Any, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """The same answer, and the same record, with a length or in chunks."""
    content = body(scene, 100)
    packed = pack(content)
    named = b"content-encoding: " + encoding.encode()
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    with connect(shared) as client:
        found = []
        for asked in (
            head(scene, length(content)) + content,
            head(scene, named, length(packed)) + packed,
            head(scene, named, b"transfer-encoding: chunked") + chunks,
            head(scene, length(content)) + content,
        ):
            client.sendall(asked)
            found.append(answer(client))
    records = {record.request_id: record.inputs for record in shared.records()}

    assert [b"200"] * 4 == [code for code, _ in found]
    assert all(found[0][1]["predictions"] == told["predictions"] for _, told in found)
    assert all(records[found[0][1]["id"]] == records[told["id"]] for _, told in found)


@PACKED
def test_what_unpacks_to_too_much_or_to_nothing_is_refused(
    shared: Any, scene: Any, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """Each refusal names what is wrong, and the process goes on."""
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    content = body(scene)
    found = [
        (told.status_code, told.json()["field"])
        for told in (
            shared.http.post("/v1/models/ward/predict", content=packed, headers=headers)
            for packed in (
                pack(content),
                pack(content + b" " * (LARGEST - len(content))),
                pack(b" " * (LARGEST + 1)),
                pack(bytes(100_000_000))[: LARGEST // 2],
                pack(content)[:-1],
                pack(content) + b"x",
                content,
                b"",
            )
        )
        if told.status_code != 200
    ]

    assert [(413, "body")] * 2 + [(422, "content-encoding")] * 4 == found


def test_several_encodings_are_refused_with_the_list(shared: Any, scene: Any) -> None:
    """Also when each has a header of its own."""
    content = gzip.compress(gzip.compress(body(scene)))
    headers = [("content-encoding", "gzip"), ("content-encoding", "gzip")]
    told = shared.http.post("/v1/models/ward/predict", content=content, headers=headers)

    assert 415 == told.status_code
    assert "gzip, deflate, zstd" in told.json()["fix"]
