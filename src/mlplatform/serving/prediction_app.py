"""The door for predictions: plain ASGI in front of FastAPI, since for a request of one row FastAPI would cost more than all the rest.

It takes `POST /v1/models/{m}/predict`, `POST /v2/models/{m}/infer` and `POST
/v2/models/{m}/versions/{v}/infer`; everything else goes to the application behind it. What
FastAPI's middleware would do (limits, errors, metrics) is done here by hand.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response as HttpResponse

from mlplatform.errors import PlatformError, TooLarge, UnsupportedMedia
from mlplatform.serving.dialects import INFERENCE, ROWS
from mlplatform.serving.handler import Ask, Handler, Response
from mlplatform.telemetry import logger
from mlplatform.web import problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logger("serving")
_TYPE = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")
GONE = 499
"""Code under which a request is counted whose client went away before it got an answer, or was sent away: it sent its body too slowly."""


class _Gone(Exception):
    """There is nobody to answer."""


class PredictionApp:
    """An ASGI application: predictions itself, the rest by `behind`."""

    def __init__(self, handler: Handler, behind: Application) -> None:
        self._handler = handler
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        ask = (
            match(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        )
        if ask is None:
            await self._behind(scope, receive, send)
            return
        started = time.perf_counter()
        code = GONE
        try:
            code = await predict(self._handler, ask, scope, receive, send)
        finally:
            self._count(ask[0], code, time.perf_counter() - started)

    def _count(self, pipeline: str, code: int, seconds: float) -> None:
        """Unknown names are not counted: a label that callers can make up would grow without end."""
        try:
            slot = self._handler.slots.find(pipeline)
        except PlatformError:
            return
        slot.meters.replied(code, seconds)


def match(path: str) -> tuple[str, str | None, str] | None:
    """Pipeline, version and dialect of a prediction path; None for any other."""
    parts = path.split("/")
    if len(parts) < 5 or parts[0] or parts[2] != "models":
        return None
    if parts[1] == "v1" and parts[4:] == ["predict"]:
        return parts[3], None, ROWS
    if parts[1] == "v2" and parts[4:] == ["infer"]:
        return parts[3], None, INFERENCE
    if parts[1] == "v2" and len(parts) == 7 and parts[4] == "versions" and parts[6] == "infer":
        return parts[3], parts[5], INFERENCE
    return None


async def predict(
    handler: Handler,
    matched: tuple[str, str | None, str],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> int:
    """Answer one prediction; returns the HTTP code.

    Errors become problem documents; a client that has gone gets nothing.
    """
    closing: list[tuple[bytes, bytes]] = [_CLOSE] if handler.slots.draining else []
    try:
        reply = await _reply(handler, matched, scope, receive)
    except _Gone:
        return GONE
    except PlatformError as error:
        if problem.status(error) == 500:
            _log.error(
                "request failed", path=scope["path"], error=str(error), kind=type(error).__name__
            )
        response = problem.response(error)
        unread = isinstance(error, TooLarge) or problem.status(error) in (401, 403, 404, 415)
        await _send(
            send,
            response.status_code,
            [*response.raw_headers, *([_CLOSE] if unread else closing)],
            bytes(response.body),
        )
        return response.status_code
    except Exception as error:  # noqa: BLE001  (the door: a bug becomes a 500 and a log line, and the process goes on)
        _log.error("request failed unforeseen", path=scope["path"], exc_info=error)
        body = b'{"type":"about:blank","title":"An error that nobody foresaw","status":500}'
        await _send(
            send, 500, [(b"content-type", problem.MEDIA_TYPE.encode()), *_length(body)], body
        )
        return 500
    headers = [_TYPE, *_length(reply.body), (b"x-request-id", reply.request_id.encode()), *closing]
    await _send(send, 200, headers, reply.body)
    return 200


async def _reply(
    handler: Handler, matched: tuple[str, str | None, str], scope: Scope, receive: Receive
) -> Response:
    pipeline, version, dialect = matched
    headers = _wanted(scope["headers"])
    authorization = headers.get(b"authorization")
    ask = Ask(
        pipeline,
        version,
        dialect,
        None if authorization is None else authorization.decode("latin-1"),
    )
    caller = handler.admit(ask)
    _refuse_media(headers)
    body = await _body(receive, headers.get(b"content-length"), handler.max_body_bytes)
    return await handler.answer(ask, caller, body)


_HEADERS = frozenset(
    (
        b"authorization",
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"inference-header-content-length",
    )
)


def _wanted(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name: value for name, value in headers if name in _HEADERS}


def _refuse_media(headers: dict[bytes, bytes]) -> None:
    kind = headers.get(b"content-type", b"application/json").split(b";", 1)[0].strip().lower()
    if kind != b"application/json":
        raise UnsupportedMedia(
            f"content type {kind.decode('latin-1')!r} is not spoken here",
            field="content-type",
            fix="send application/json",
        )
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding != b"identity":
        raise UnsupportedMedia(
            "encoded bodies are not spoken here",
            field="content-encoding",
            fix="send the JSON as it is",
        )
    if b"inference-header-content-length" in headers:
        raise UnsupportedMedia(
            "binary tensors are not spoken here",
            field="inference-header-content-length",
            fix="send tensors as JSON",
        )


async def _body(receive: Receive, length: bytes | None, most: int) -> bytes:
    """The whole body. Refuses one that is too large before reading it, or as soon as it shows."""
    if length is not None and length.isdigit() and int(length) > most:
        raise _too_large(most)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body = message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        return bytes(body)
    return await _pieces(receive, message, most)


async def _pieces(receive: Receive, message: Message, most: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise _Gone
        size += len(message.get("body", b""))
        if size > most:
            raise _too_large(most)
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body is larger than {most} bytes", field="body")


def _length(body: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(len(body)).encode())]


async def _send(send: Send, code: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def respond(
    handler: Handler, ask: tuple[str, str | None, str], scope: Scope, receive: Receive
) -> HttpResponse:
    """The same answer as an HTTP response object, for callers that stand behind FastAPI."""
    started: Message = {}
    parts: list[bytes] = []

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            parts.append(message["body"])

    code = await predict(handler, ask, scope, receive, collect)
    response = HttpResponse(b"".join(parts), status_code=code)
    response.raw_headers = started.get("headers", [])
    return response
