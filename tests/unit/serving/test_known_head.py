"""A head is known again by its bytes, but for the digits of Content-Length."""

from __future__ import annotations

import pytest

from mlplatform.access import ANONYMOUS
from mlplatform.serving.known_head import KnownHead, cut
from mlplatform.serving.request import Route

HEAD = b"POST /p HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\nAccept: */*\r\n\r\n"
ROUTE = Route("ward", None, "rows")


def request_of(body: bytes, *, says: int | None = None) -> bytes:
    """A request that says how long it is, or something else."""
    return HEAD % (len(body) if says is None else says) + body


def known() -> KnownHead:
    """The head of a request with four bytes."""
    parts = cut(request_of(b"abcd"))
    assert parts is not None
    return KnownHead(parts[0], parts[1], ROUTE, ANONYMOUS)


@pytest.mark.parametrize("size", [0, 1, 4, 10, 99_999])
def test_the_length_may_differ(size: int) -> None:
    """The body is what follows the same head."""
    assert b"x" * size == known().body(request_of(b"x" * size))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POST /p",
        request_of(b"abcd")[:-1],
        request_of(b"abcd") + b"P",
        request_of(b"abcd", says=3),
        request_of(b"abcd").replace(b"here", b"hero"),
        request_of(b"abcd").replace(b"*/*", b"*/+"),
        request_of(b"abcd").replace(b": 4", b": +4"),
        request_of(b"abcd").replace(b": 4", b": "),
        request_of(b"abcd").replace(b": 4", b": 4 "),
        request_of(b"abcd").replace(b": 4", b": 0000000004"),
        request_of(b"abcd").replace(b": 4", b": 4\r\nContent-Length: 4"),
    ],
)
def test_anything_else_is_unknown(data: bytes) -> None:
    """A piece of a request, more than one, another head, or another way to write a length."""
    assert known().body(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POST /p HTTP/1.1\r\nHost: here\r\n\r\n",
        request_of(b"abcd", says=3),
        request_of(b"abcd").replace(b"*/*", b"*/*\r\ncontent-length: 4"),
        request_of(b"abcd").replace(b"Length: 4", b"Length: 4\r\n x"),
        request_of(b"abcd").replace(b"*/*", b"content-length"),
    ],
)
def test_a_head_that_is_not_certain_is_not_kept(data: bytes) -> None:
    """Without exactly one length that is the right one there is nothing to compare with."""
    assert cut(data) is None
