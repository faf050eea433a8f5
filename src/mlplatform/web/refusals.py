"""Answers that end a connection, where no application of ours gives them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from mlplatform.errors import PlatformError, Unavailable
from mlplatform.web import problem

_RETRY_AFTER_S = 1.0


class Ending:
    """A transport whose `close` is another: uvicorn's would reset a client that still sends."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.close = close
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def whole(error: PlatformError) -> bytes:
    """The whole HTTP response of an error, for where no application can send it."""
    code, headers, body = problem.answer(error)
    lines = (b"%s: %s\r\n" % header for header in _closing(headers))
    return STATUS_LINE[code] + b"".join(lines) + b"\r\n" + body


async def full(scope: Scope, receive: Receive, send: Send) -> None:
    """The application in place of ours when there are too many connections."""
    del scope, receive
    code, headers, body = problem.answer(
        Unavailable(
            "there are too many connections, in all or from your address",
            retry_after_s=_RETRY_AFTER_S,
        )
    )
    await send({"type": "http.response.start", "status": code, "headers": _closing(headers)})
    await send({"type": "http.response.body", "body": body})


def _closing(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    closing = (b"connection", b"close")
    return headers if closing in headers else [*headers, closing]
