"""How all our servers take requests: under uvicorn, with an end to what arrives too slowly and a bound to how much arrives at once.

uvicorn bounds neither the time of a request's head nor that of its body, and closes only
connections that are idle after an answer.
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
"""What a body that is on its way may still take when the server leaves: most arrive in milliseconds, and the drain has other work."""
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
    """A head, and then a body, must arrive in `receive_s`: else the connection is closed, after a 408 where a request is known.

    A timer runs only while something is awaited. A request in one piece, as nearly all are, sets
    none. With more than `max_connections` open, requests get 503; the pages of operation are
    answered all the same, or overload would restart the process.
    """

    config: Config
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
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
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self._await_nothing()
        elif self._late is None:
            self._await()

    def on_headers_complete(self) -> None:
        """The body has a time of its own. Here uvicorn decides which application answers."""
        self._await_nothing()
        full = (
            len(self.connections) > self.config.max_connections
            and self.url.split(b"?")[0].decode("latin-1") not in pages.PATHS
        )
        self.app = _full if full else self.config.loaded_app
        super().on_headers_complete()

    def shutdown(self) -> None:
        """The server leaves: idle connections are closed at once, and a request that has not arrived yet has to hurry."""
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
        if (
            self.pipeline
        ):  # it waits behind another request of its connection: the client is not to blame
            self._await()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if not self.cycle.response_started:
                self.transport.write(
                    _answer(
                        TooSlow(
                            f"the body did not arrive within {self.config.receive_s:g} s",
                            field="body",
                        )
                    )
                )
            self.cycle.disconnected = True  # the application is told that the client has gone, and what it may still send is dropped
        self.transport.close()


def _answer(error: PlatformError) -> bytes:
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
