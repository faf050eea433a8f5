"""uvicorn for all our servers, with limits to how many requests may arrive, how slow and how large.

uvicorn bounds neither time nor size of a request's head, nor the time of its body. It closes only
connections that are idle after a response, and loses the body of a request that offers an upgrade
to another protocol.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mlplatform.errors import HeadTooLarge, PlatformError, TooSlow
from mlplatform.loop import jittered
from mlplatform.telemetry import logger
from mlplatform.web import plain_pages
from mlplatform.web.forms import as_get, until_close
from mlplatform.web.places import Places, room_for
from mlplatform.web.refusals import Ending, full, whole

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers. Ours take a few hundred bytes, and proxies add less than 8 KiB."""
HEAD_S = 10.0
"""What a head may take. It fits a few packets; a client that needs longer is gone, or holds the
connection on purpose."""
_LAST_S = 1.0
"""What a body that is on its way may still take when the server shuts down, what a refused client
may still send, and what the head of a connection without a place may take: most arrives in
milliseconds."""
_QUIET_S = 5.0
"""How long a client that has its answer, and still sends its body, may pause."""
_INVALID = "Invalid HTTP request received."
_log = logger("web")


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
        address_share: float,
        max_age_s: float = 0.0,
        connection: type[Connection] | None = None,
    ) -> None:
        super().__init__(
            app,
            host=host,
            port=port,
            http=connection or Connection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(drain_s)),
            lifespan="on",
        )
        self.receive_s = receive_s
        self.max_age_s = max_age_s or math.inf
        self.places = Places(room_for(max_connections), address_share)


class Connection(HttpToolsProtocol):
    """A head must arrive in HEAD_S and a body in `receive_s`, or the connection is closed.

    When the head is there, the client gets a 408 first. A timer runs only while something is
    awaited: a request in one piece, as nearly all are, sets none. A connection that finds no place
    (see Places) has little time, and its requests get 503; the pages of
    `mlplatform.web.plain_pages` are answered all the same, or overload would restart the process. A
    head above MAX_HEAD_BYTES gets 431. Upgrades are ignored, as HTTP allows: Java's client offers
    HTTP/2 with every first request. A connection that is older than `max_age_s`, varied, is closed
    after the last answer that is due on it: a client that keeps one for ever would never reach a
    server that was added.
    """

    config: Config
    _late: asyncio.TimerHandle | None = None
    _address = ""
    _placed = False
    _refused = False  # what still comes is dropped
    _ended = False  # our side of the connection is closed
    _heard = False  # something has come since the last time it was asked
    _drained_by = 0.0  # when what is dropped must have ended
    _piece = 0  # size of the piece that is being parsed
    _unread = 0  # size of the pieces since the one in which a head, body bytes or a message ended
    _shared = 0  # size of that one: what came after that end in it was not counted
    _body_awaited = False  # the body of the latest request has not come to its end
    _moved = False  # the answer to the latest request ends the connection, for its age only
    _ending: Ending

    # The parameter's type is the one that uvicorn gives it.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A head is awaited from now on."""
        super().connection_made(transport)
        self._ending = Ending(transport, self.end)
        self._address = self.client[0] if self.client else ""
        self._placed = self.config.places.take(self._address)
        self._moves_at = self.loop.time() + jittered(self.config.max_age_s)
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more, and another may have the place."""
        self._await_nothing()
        if self._placed:
            self._placed = False
            self.config.places.give_back(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, and see whether something is missing."""
        if self._refused:
            self._heard = True
            return
        self._piece = len(data)
        self._unread += self._piece
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            if not self._refused:
                self.logger.warning(_INVALID)
                self.send_400_response(_INVALID)
            return
        if self._unread > MAX_HEAD_BYTES:
            self._refuse()
        # All is parsed by now: without a cycle no head is complete, and `more_body` says whether
        # the body is.
        elif (
            self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        ):
            self._await_nothing()
        elif self._late is None:
            self._await()

    def on_headers_complete(self) -> None:
        """The body has a time of its own. Here uvicorn decides which application answers."""
        # Nearly always the pieces are so small that the headers need not be added up.
        if self._unread + self._shared > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            raise self._refuse()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise httptools.HttpParserError("CONNECT is for proxies")
            return  # `_parse` brings it again, without the upgrade
        self._await_nothing()
        self._advance()
        self._body_awaited = True
        self.app = self._application()
        before = self.cycle
        super().on_headers_complete()
        if self.loop.time() >= self._moves_at:
            self._move(before)
        # The cycle closes its connection after an answer that says so.
        self.cycle.transport = cast("asyncio.Transport", self._ending)
        # Of its own for what follows a chunked body: the application has the headers already.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Bytes of a body are bounded by the application, not here."""
        self._advance()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes next is another head."""
        if not self.parser.should_upgrade():
            self._advance()
            self._body_awaited = False
            super().on_message_complete()

    def shutdown(self) -> None:
        """Close idle connections at once; a request that still arrives gets `_LAST_S` at most."""
        super().shutdown()
        if self._late is not None:
            at = min(self._late.when(), self.loop.time() + _LAST_S)
            self._await_nothing()
            self._late = self.loop.call_at(at, self._too_late)

    def _move(self, before: RequestResponseCycle | None) -> None:
        # Of several requests in a row only the last one ends the connection, as far as is known.
        if self._moved and before is not None and not before.response_started:
            before.keep_alive = True
        self._moved = self.cycle.keep_alive
        self.cycle.keep_alive = False

    def _application(self) -> Callable[..., Any]:
        # Tried again with every request: there may be room by now.
        self._placed = self._placed or self.config.places.take(self._address)
        page = self._placed or self.url.split(b"?")[0].decode("latin-1") in plain_pages.PATHS
        app = self.config.loaded_app if page else full
        if self.parser.get_method() == b"HEAD":
            app = partial(as_get, app)
        if self.parser.get_http_version() == "1.0":
            app = partial(until_close, app)
        return app

    def _parse(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
            else:
                return
            # The parser takes what follows for another protocol, so a new one gets the head without
            # the upgrade, and then the rest, body and all.
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(head)

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _head_size(self) -> int:
        line = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n")
        return line + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _advance(self) -> None:
        self._unread = 0
        self._shared = self._piece

    def _refuse(self) -> HeadTooLarge:
        """Answer 431, unless that would be taken for the answer to an earlier request."""
        self._refused = True
        self._await_nothing()
        error = HeadTooLarge(
            f"the request line and headers are larger than {MAX_HEAD_BYTES} bytes",
            field="headers",
            fix="send shorter or fewer headers",
        )
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(whole(error))
            self._close_softly()
        elif self.cycle.more_body:  # chunk extensions or trailers
            self._end(error)
        else:
            self.cycle.keep_alive = False
        return error

    def _await(self) -> None:
        body = self.cycle is not None and not self.cycle.response_complete
        seconds = self.config.receive_s if body else self._head_s()
        self._late = self.loop.call_later(seconds, self._too_late)

    def _head_s(self) -> float:
        return min(HEAD_S, self.config.receive_s) if self._placed else _LAST_S

    def _await_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def end(self) -> None:
        """Close after an answer: in order, also when the client has not sent all of its body."""
        if not (self._body_awaited or self._refused or self._moved):
            self.transport.close()
        elif not self._ended:
            self._refused = True
            self._await_nothing()
            self.cycle.body = bytearray()
            self.flow.resume_reading()
            self._close_softly()

    def on_response_complete(self) -> None:
        """No other request follows once the end has begun."""
        if not self._ended:
            super().on_response_complete()

    def _too_late(self) -> None:
        if self._refused:
            now = self.loop.time()
            if self._heard and now < self._drained_by:
                self._heard = False
                self._late = self.loop.call_at(
                    min(now + _QUIET_S, self._drained_by), self._too_late
                )
            else:
                self.transport.close()
            return
        if self.pipeline:
            # It waits behind another request of its connection: the client is not to blame.
            self._await()
            return
        reason = f"the body did not arrive within {self.config.receive_s:g} s"
        self._end(TooSlow(reason, field="body"))

    def _end(self, error: PlatformError) -> None:
        """Close the connection; a request that has no answer yet gets `error`."""
        if self.cycle is not None and not self.cycle.response_complete:
            if not self.cycle.response_started and not self.pipeline:
                self.transport.write(whole(error))
            # The application learns that the client has gone; what it may still send is dropped.
            self.cycle.disconnected = True
        if self._refused and not self.pipeline:
            self._close_softly()
        else:
            self.transport.close()

    def _close_softly(self) -> None:
        # Closed at once, with bytes unread, the system would reset the connection, and a client
        # that still sends would not see the answer.
        self._ended = True
        self.transport.write_eof()
        now = self.loop.time()
        self._drained_by = now + (self.config.receive_s if self._placed else _LAST_S)
        self._late = self.loop.call_at(min(now + _QUIET_S, self._drained_by), self._too_late)
