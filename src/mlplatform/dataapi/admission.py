"""Admission: an ASGI middleware that every request passes before FastAPI reads a byte of its body.

It finds the caller, takes a token of its rate limit, and counts the body while it is read. FastAPI
parses bodies before it calls its dependencies, so none of this could be one. What never comes to a
route is noted for the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from mlplatform.access import AccessList, Caller, bearer, run_of
from mlplatform.dataapi.limits import too_large
from mlplatform.dataapi.run_tokens import RunTokens
from mlplatform.errors import InvalidInput, PlatformError, TooLarge, Unauthenticated, UnknownName
from mlplatform.telemetry import counter, histogram
from mlplatform.web import docs_page, error_responses
from mlplatform.web.authorization import authorization
from mlplatform.web.rate_limit import RateLimit

OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Pages that need no token, besides /docs: they show no data."""

UNKNOWN = "unknown"
"""The caller of requests without a known token."""
Note = Callable[[str, str, PlatformError], None]
"""Takes (caller, path, error) of what was refused; must not block."""


class AdmissionMiddleware:
    """Wraps the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: AccessList,
        runs: RunTokens,
        limit: RateLimit,
        max_body_bytes: int,
        on_refusal: Note,
    ) -> None:
        self._app = app
        self._access = access
        self._runs = runs
        self._limit = limit
        self._max_body_bytes = max_body_bytes
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._max_body_bytes, self._on_refusal)
        with structlog.contextvars.bound_contextvars(request_id=str(uuid7())):
            try:
                await self._admit(scope, exchange)
            except PlatformError as error:
                self._on_refusal(exchange.caller, scope["path"], error)
                await exchange.answer(error)
            else:
                await exchange.run(self._app)

    async def _admit(self, scope: Scope, exchange: _Exchange) -> None:
        if scope["path"] in OPEN or docs_page.shows(scope["path"]):
            return
        peer = (scope.get("client") or ("unknown",))[0]
        try:
            caller = await self._caller(authorization(scope["headers"]), peer)
        except Unauthenticated:
            self._limit.take(f"address {peer}")
            raise
        exchange.caller = caller.name
        # Each run has a bucket of its own: code of one pipeline must not slow the others down.
        self._limit.take(f"run {caller.run}" if caller.run else caller.name)
        scope.setdefault("state", {})["caller"] = caller
        structlog.contextvars.bind_contextvars(caller=caller.name)

    async def _caller(self, header: str | None, peer: str) -> Caller:
        token = bearer(header)
        if run_of(token) is None:
            return self._access.authenticate(header)
        # Before the database is asked: who invents tokens must not keep it busy.
        self._limit.take(f"runs of address {peer}")
        return await run_in_threadpool(self._runs.authenticate, token)


class _Exchange:
    """One request and its response: counts the body, measures the time.

    Answers 413 in the framework's place when the body is too large.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, limit: int, on_refusal: Note
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._on_refusal = on_refusal
        self.caller = UNKNOWN
        self._began = time.perf_counter()
        self._read = 0
        self._oversized: TooLarge | None = None
        self._code = 0

    async def run(self, app: ASGIApp) -> None:
        await app(self._scope, self._counted, self._watched)
        if self._oversized is not None and not self._code:
            await self.answer(self._oversized)
        self._note_unrouted()

    async def answer(self, error: PlatformError) -> None:
        await error_responses.response(error)(self._scope, self._receive, self._measured)

    async def _counted(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self._limit:
            self._oversized = self._oversized or too_large(self._limit)
            raise self._oversized
        return message

    async def _watched(self, message: Message) -> None:
        # The framework makes a 400 of an error while it reads JSON, so its answer to a body that is
        # too large is dropped for ours.
        if self._oversized is None or self._code:
            await self._measured(message)

    async def _measured(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._code = message["status"]
            route = _route(self._scope)
            counter("dataapi_requests_total").labels(route, str(self._code)).inc()
            histogram("dataapi_request_seconds").labels(route).observe(
                time.perf_counter() - self._began
            )
        await self._send(message)

    def _note_unrouted(self) -> None:
        """Enter what no route has answered; routes make their own entries."""
        guarded = self._scope.get("state", {}).get("guarded")
        if self._code >= 400 and self.caller != UNKNOWN and not guarded:
            kind = UnknownName if self._code == 404 else InvalidInput
            error = kind(f"no route takes this: HTTP {self._code}")
            self._on_refusal(self.caller, self._scope["path"], error)


def _route(scope: Scope) -> str:
    """The route's template: names from outside must not become metric labels."""
    path = getattr(scope.get("route"), "path", None)
    return f"{scope['method']} {path}" if path else "none"
