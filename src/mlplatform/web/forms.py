"""Applications around ours, for requests that need another form of answer."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


async def as_get(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """HEAD: the answer of GET. uvicorn, which has the request's own scope, drops the body."""
    await app({**scope, "method": "GET"}, receive, send)


async def until_close(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """HTTP/1.0: a body of unknown length ends where the connection does, and is not chunked.

    `send` must be uvicorn's own.
    """
    cycle: Any = send
    cycle = cycle.__self__
    assert isinstance(cycle, RequestResponseCycle)
    unsized = False

    async def plain(message: Message) -> None:
        nonlocal unsized
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", [])}
            unsized = b"content-length" not in names
            if unsized:
                cycle.chunked_encoding = False
        elif unsized:
            # uvicorn counts down to the end of a body whose length it knows.
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    await app(scope, receive, plain)
