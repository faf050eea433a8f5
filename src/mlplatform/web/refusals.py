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
    response = problem.response(error)
    response.headers["connection"] = "close"
    return (
        STATUS_LINE[response.status_code]
        + b"".join(b"%s: %s\r\n" % header for header in response.raw_headers)
        + b"\r\n"
        + bytes(response.body)
    )


async def full(scope: Scope, receive: Receive, send: Send) -> None:
    """The application in place of ours when there are too many connections."""
    response = problem.response(
        Unavailable(
            "there are too many connections, in all or from your address",
            retry_after_s=_RETRY_AFTER_S,
        )
    )
    response.headers["connection"] = "close"
    await response(scope, receive, send)
