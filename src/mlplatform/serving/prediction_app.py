"""Predictions over HTTP: plain ASGI, with FastAPI behind it for every other page.

For a request of one row FastAPI would cost more than all the rest. So this application takes the
paths of `mlplatform.serving.route_table` itself, and does by hand what FastAPI's middleware would
do: limits, errors, metrics.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from mlplatform.errors import PlatformError, TooLarge
from mlplatform.serving import media
from mlplatform.serving.deadline import HEADER, deadline, timeout_s
from mlplatform.serving.dialects import UNVERSIONED, refusals
from mlplatform.serving.encoded_body import encoding, unpacked
from mlplatform.serving.handler import Handler
from mlplatform.serving.request import Response, Route
from mlplatform.serving.route_table import RouteTable
from mlplatform.web import problem
from mlplatform.web.authorization import authorization
from mlplatform.web.parameters import refuse_others

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_HEADERS = frozenset(
    (
        b"authorization",
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"inference-header-content-length",
        HEADER,
    )
)
_TYPE = (b"content-type", b"application/json")
_BINARY = (b"content-type", b"application/octet-stream")
_CLOSE = (b"connection", b"close")
_DECIDING = frozenset(
    (
        b"content-encoding",
        b"expect",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Headers that change how a request is read or answered, beside type, lengths and token."""
_UNREAD = frozenset((401, 403, 404, 413, 415))
"""Codes of refusals that leave the body unread: the connection can't take another request."""
_UNEXPECTED: dict[str, Any] = {"type": "about:blank", "title": "Unexpected error", "status": 500}
GONE = 499
"""Counted for a client that went away before its response, or whose body arrived too slowly."""


class _Gone(Exception):
    """There is nobody to answer."""


class PredictionApp:
    """An ASGI application: predictions itself, the rest by `behind`."""

    def __init__(self, handler: Handler, behind: Application) -> None:
        self._handler = handler
        self._routes = RouteTable(handler.models)
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        # Nearly always there is no prefix, and this makes no copy.
        path = scope["path"].removeprefix(scope.get("root_path", "")) if posted else ""
        route = self._routes.find(path) if posted else None
        if route is None:
            await self._behind(scope, receive, send)
            return
        started = time.perf_counter()
        code = GONE  # also when the task is cancelled, since then `predict` returns nothing
        try:
            code = await predict(self._handler, route, scope, receive, send)
        finally:
            self._handler.count(route.pipeline, code, time.perf_counter() - started)


async def predict(
    handler: Handler, route: Route, scope: Scope, receive: Receive, send: Send
) -> int:
    """Answer one prediction; returns the HTTP code.

    Errors become problem documents; a client that has gone gets nothing.
    """
    # Read before the answer is awaited: a connection that was open at that time is closed after it.
    closing: Headers = [_CLOSE] if handler.draining else []
    try:
        response = await _answer(handler, route, scope, receive)
        code, headers, body = answered(response, route.dialect)
    except _Gone:
        return GONE
    except Exception as error:  # noqa: BLE001  (a bug becomes a 500, and the process goes on)
        code, headers, body = failure(handler, error, route.dialect, scope["path"])
    if _CLOSE not in headers:
        headers += closing
    await send_whole(send, code, headers, body)
    return code


def answered(response: Response, dialect: str) -> tuple[int, Headers, bytes]:
    """Code, headers and body of a prediction."""
    identity = (b"x-request-id", response.request_id.encode())
    headers = [*_content(response), _length(response.body), identity]
    if dialect in UNVERSIONED:
        headers.append((b"x-model-version", response.version.encode()))
    return 200, headers, response.body


def failure(
    handler: Handler, error: Exception, dialect: str, path: str
) -> tuple[int, Headers, bytes]:
    """Code, headers and body of what a request got instead."""
    code = handler.failed(error, path)
    headers, body = _problem(error, dialect)
    if code in _UNREAD and _CLOSE not in headers:  # a 500 has it
        headers.append(_CLOSE)
    return code, headers, body


def plain(scope: Scope) -> bool:
    """Whether nothing but its path, token, content type and body decides what a request gets."""
    names = {name for name, _ in scope["headers"]}
    post = (scope["method"], scope["http_version"], scope["query_string"]) == ("POST", "1.1", b"")
    return post and not names & _DECIDING


async def _answer(handler: Handler, route: Route, scope: Scope, receive: Receive) -> Response:
    ours = [header for header in scope["headers"] if header[0] in _HEADERS]
    headers: dict[bytes, bytes] = dict(ours)
    caller = handler.admit(route.pipeline, authorization(ours))
    reading = media.reading(route, headers)
    until = deadline(timeout_s(headers.get(HEADER)))
    encoded = encoding(ours) if b"content-encoding" in headers else None
    body = await _body(receive, headers.get(b"content-length"), handler.max_body_bytes)
    if encoded is not None:
        body = unpacked(body, encoded, handler.max_body_bytes)
    if query := scope["query_string"]:
        refuse_others(query, set())
    return await handler.answer(reading, caller, body, until)


def _problem(error: Exception, dialect: str) -> tuple[Headers, bytes]:
    if isinstance(error, PlatformError):
        members = refusals.members(dialect, problem.status(error), str(error))
        _, headers, content = problem.answer(error, members)
        return headers, content
    more = refusals.members(dialect, 500, _UNEXPECTED["title"])
    body = msgspec.json.encode(_UNEXPECTED | more)
    kind = _TYPE if more else (b"content-type", problem.MEDIA_TYPE.encode())
    return [kind, _length(body), _CLOSE], body


def _content(response: Response) -> Headers:
    if response.json_bytes is None:
        return [_TYPE]
    return [_BINARY, (media.JSON_BYTES, str(response.json_bytes).encode())]


async def _body(receive: Receive, length: bytes | None, most: int) -> bytes:
    """The whole body. Refuses one that is too large before reading it, or as soon as it shows."""
    if length is not None and length.isdigit() and int(length) > most:
        raise _too_large(most)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise _too_large(most)
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)  # of one piece, as nearly all bodies are, this makes no copy


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body is larger than {most} bytes", field="body")


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


async def send_whole(send: Send, code: int, headers: Headers, body: bytes) -> None:
    """A response in one piece."""
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
