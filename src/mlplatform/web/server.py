"""uvicorn for all our servers, with limits to how slowly and how many requests may arrive.

uvicorn bounds neither the time of a request's head nor that of its body, and closes only
connections that are idle after a response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mlplatform.errors import PlatformError, TooSlow, Unavailable
from mlplatform.web import pages, problem

_LAST_S = 1.0
"""What a body that is on its way may still take when the server shuts down: most arrive in
milliseconds, and the drain has other work."""
_RETRY_AFTER_S = 1.0


class Config(uvicorn.Config):
    """uvicorn's settings, the same for all our servers, and the bounds of Connection.

    Access logs are ours, not uvicorn's.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        host: str,
        port: int,
        drain_s: float,
        receive_s: float,
        max_connections: int,
    ) -> None:
        super().__init__(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(drain_s)),
            lifespan="on",
        )
        self.receive_s = receive_s
        self.max_connections = max_connections


def run(config: Config) -> None:
    """Serve on one process until SIGTERM or SIGINT; returns after the drain."""
    uvicorn.Server(config).run()


class Connection(HttpToolsProtocol):
    """A head, and then a body, must arrive in `receive_s`, or the connection is closed.

    When the head is there, the client gets a 408 first. A timer runs only while something is
    awaited: a request in one piece, as nearly all are, sets none. With more than `max_connections`
    open, requests get 503; the pages of `mlplatform.web.pages` are answered all the same, or
    overload would restart the process.
    """

    config: Config
    _late: asyncio.TimerHandle | None = None

    # The parameter's type is the one that uvicorn gives it.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A head is awaited from now on."""
        super().connection_made(transport)
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._await_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, and see whether something is missing."""
        super().data_received(data)
        # uvicorn has parsed it by now: without a cycle no head is complete, and `more_body` says
        # whether the body is.
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self._await_nothing()
        elif self._late is None:
            self._await()

    def on_headers_complete(self) -> None:
        """The body has a time of its own. Here uvicorn decides which application answers."""
        self._await_nothing()
        # Set for every request: connections are reused, and may come when there is room again.
        full = (
            len(self.connections) > self.config.max_connections
            and self.url.split(b"?")[0].decode("latin-1") not in pages.PATHS
        )
        self.app = _full if full else self.config.loaded_app
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Close idle connections at once; a request that still arrives gets `_LAST_S` at most."""
        super().shutdown()
        if self._late is not None:
            at = min(self._late.when(), self.loop.time() + _LAST_S)
            self._await_nothing()
            self._late = self.loop.call_at(at, self._too_late)

    def _await(self) -> None:
        self._late = self.loop.call_later(self.config.receive_s, self._too_late)

    def _await_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        if self.pipeline:
            # It waits behind another request of its connection: the client is not to blame.
            self._await()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if not self.cycle.response_started:
                reason = f"the body did not arrive within {self.config.receive_s:g} s"
                self.transport.write(_response(TooSlow(reason, field="body")))
            # The application learns that the client has gone; what it may still send is dropped.
            self.cycle.disconnected = True
        self.transport.close()


def _response(error: PlatformError) -> bytes:
    """The whole HTTP response of an error, for where no application can send it."""
    response = problem.response(error)
    headers = [*response.raw_headers, (b"connection", b"close")]
    return (
        STATUS_LINE[response.status_code]
        + b"".join(b"%s: %s\r\n" % header for header in headers)
        + b"\r\n"
        + bytes(response.body)
    )


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    """The application in place of ours when there are too many connections."""
    response = problem.response(
        Unavailable("there are too many connections", retry_after_s=_RETRY_AFTER_S)
    )
    response.headers["connection"] = "close"
    await response(scope, receive, send)
