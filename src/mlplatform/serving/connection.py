"""A short way for the predictions of a connection that has asked for one before.

The first request of a connection takes the way of all: httptools parses it, uvicorn makes a scope
and a cycle of it, and the ASGI application answers. When that request was plain, its head is kept
(`known_head`), and a later one that arrives whole, in one piece, with the same head is answered
without all of that, by one task and one write. Whatever is different in any way takes the way of
all, so nothing has to be decided here that is not decided there: `tests/integration/serving` sends
the same requests both ways and compares the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from mlplatform.errors import PlatformError
from mlplatform.serving import media
from mlplatform.serving.deadline import HEADER, timeout_s
from mlplatform.serving.exchange import Exchange
from mlplatform.serving.handler import Handler
from mlplatform.serving.known_head import KnownHead, cut
from mlplatform.serving.prediction_app import Headers, Scope, plain
from mlplatform.serving.route_table import RouteTable
from mlplatform.web.authorization import authorization
from mlplatform.web.server import Config, Connection


class PredictionConfig(Config):
    """The server's settings, and who answers."""

    def __init__(
        self, app: Callable[..., Any], handler: Handler, *, prefix: str = "", **options: Any
    ) -> None:
        """`prefix` is what a proxy may keep before each path. See RootPath."""
        super().__init__(app, connection=PredictionConnection, **options)
        self.handler = handler
        self.prefix = prefix
        self.routes = RouteTable(handler.models)


class PredictionConnection(Connection):
    """See above. Between two requests it is `_clean`; while the short way is taken, `_busy`."""

    config: PredictionConfig
    _known: KnownHead | None = None
    _clean = True  # no byte of another request has been parsed
    _begun = 0  # requests that began in the piece that is being parsed
    _busy = False
    _last = False  # no request follows the one that is being answered
    _active_at = 0.0  # when the last answer of the short way left
    _held: bytes = b""  # what came while it was taken

    def data_received(self, data: bytes) -> None:
        """Answer at once what is known; all else is for uvicorn."""
        if self._busy:
            self._held += data
            self.flow.pause_reading()
            return
        if self._known is not None and self._free():
            body = self._known.body(data)
            if body is not None and len(body) <= self.config.handler.max_body_bytes:
                self._answer(self._known, body)
                return
        fresh, self._begun = self._clean, 0
        super().data_received(data)
        if fresh and self._clean and self._begun == 1 and self._known is None:
            self._learn(data)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._clean = False
        self._begun += 1
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """The last byte of its body."""
        super().on_message_complete()
        self._clean = True

    def shutdown(self) -> None:
        """What is being answered gets its answer."""
        if self._busy:
            self._last = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """The timer of the last answer that went the way of all: a later one counts."""
        left = self._active_at + self.timeout_keep_alive - self.loop.time()
        if self._busy or left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                max(left, self.timeout_keep_alive / 2), self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def _free(self) -> bool:
        """Whether nothing else is going on, and nothing about the connection has changed."""
        return (
            self._clean
            and self._placed
            and not self._refused
            and self.cycle.response_complete
            and not self.pipeline
            and not self.flow.write_paused
            and not self.config.handler.draining
            and not self.transport.is_closing()
            and self.loop.time() < self._moves_at
        )

    def _learn(self, data: bytes) -> None:
        """Keep the head of a plain request that came whole, if its caller is admitted."""
        cycle, handler = self.cycle, self.config.handler
        parts = cut(data)
        if parts is None or self._refused or not self._placed or not cycle.keep_alive:
            return
        before, after, body = parts
        route = self.config.routes.find(cycle.scope["path"].removeprefix(self.config.prefix))
        headers = cycle.scope["headers"]
        if route is None or body != cycle.body or not plain(cast("Scope", cycle.scope)):
            return
        try:
            caller = handler.admit(route.pipeline, authorization(headers))
            reading = media.reading(route, dict(headers))
            wait_s = timeout_s(dict(headers).get(HEADER))
        except PlatformError:
            return  # its own answer says why
        self._known = KnownHead(before, after, reading, caller, wait_s)

    def _answer(self, known: KnownHead, body: bytes) -> None:
        self._busy = True
        path = self.cycle.scope["path"]
        Exchange(self.config.handler, known, path, self._reply).begin(body)

    def _reply(self, code: int, headers: Headers, body: bytes) -> None:
        """The response in one piece, as uvicorn writes it in two."""
        if not self.transport.is_closing():
            self._write(code, headers, body)
        self._done()

    def _write(self, code: int, headers: Headers, body: bytes) -> None:
        parts = [STATUS_LINE[code]]
        for name, value in (*self.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        if b"connection" in parts:
            self._last = True
        elif self._last:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        self.transport.write(b"".join(parts))

    def _done(self) -> None:
        self._busy = False
        self._active_at = self.loop.time()
        self.server_state.total_requests += 1
        if self._last:
            self.transport.close()
        elif self._held and not self.transport.is_closing():
            data, self._held = self._held, b""
            self.flow.resume_reading()
            self.data_received(data)
