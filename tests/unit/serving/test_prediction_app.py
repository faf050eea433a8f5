"""How a body is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mlplatform.errors import TooLarge
from mlplatform.serving.prediction_app import _body, _Gone


class Pieces:
    """A client that sends its body in pieces, and counts how many were taken."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)

    async def __call__(self) -> dict[str, Any]:
        """The next message."""
        return self.messages.pop(0)


def piece(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_pieces_are_joined() -> None:
    """A body in several messages is one body."""
    client = Pieces(piece(b"ab", more=True), piece(b"", more=True), piece(b"c", more=False))

    assert b"abc" == asyncio.run(_body(client, None, 3))


def test_a_declared_size_is_refused_unread() -> None:
    """Nothing is taken from a client that announces too much."""
    client = Pieces(piece(b"abcd", more=False))

    with pytest.raises(TooLarge):
        asyncio.run(_body(client, b"4", 3))
    assert 1 == len(client.messages)


def test_reading_stops_where_the_limit_is_passed() -> None:
    """A client that sends without end is cut at the limit."""
    client = Pieces(*(piece(b"ab", more=True) for _ in range(5)))

    with pytest.raises(TooLarge):
        asyncio.run(_body(client, None, 3))
    assert 3 == len(client.messages)


def test_half_a_body_is_not_a_body() -> None:
    """A client that goes away before the end has sent no request."""
    client = Pieces(piece(b"ab", more=True), {"type": "http.disconnect"})

    with pytest.raises(_Gone):
        asyncio.run(_body(client, None, 10))
