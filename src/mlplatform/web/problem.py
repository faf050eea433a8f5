"""Our exceptions as `application/problem+json` (RFC 9457), and back again for our own clients.

Each problem carries `type` (urn:mlplatform:<class>), `title`, `status`, `detail`, `field`, `fix`,
and `retry_after_s` where another try makes sense (also as the Retry-After header, whole seconds).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from mlplatform import errors
from mlplatform.telemetry import logger

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:mlplatform:"

STATUS: dict[type[errors.PlatformError], int] = {
    errors.UnknownName: 404,
    errors.TooSlow: 408,
    errors.TooLarge: 413,
    errors.HeadTooLarge: 431,
    errors.UnsupportedMedia: 415,
    errors.InvalidInput: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.Refused: 409,
    errors.Overloaded: 429,
    errors.Unavailable: 503,
    errors.IntegrityFailure: 500,
    errors.SettingsError: 500,
    errors.DeadlinePassed: 504,
}
_CLASSES: dict[str, type[errors.PlatformError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.PlatformError)
}
_log = logger("web")


def status(error: errors.PlatformError) -> int:
    """The HTTP code of an error: that of its nearest listed class, else 500."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def document(error: errors.PlatformError) -> dict[str, Any]:
    """The problem document of an error."""
    kind = type(error)
    body: dict[str, Any] = {
        "type": TYPE + kind.__name__,
        "title": (kind.__doc__ or "").strip().split("\n")[0],
        "status": status(error),
    }
    body |= {"detail": error.message} | {
        key: value for key in ("field", "fix") if (value := getattr(error, key))
    }
    if (seconds := getattr(error, "retry_after_s", None)) is not None:
        body["retry_after_s"] = seconds
    return body


def response(error: errors.PlatformError, more: Mapping[str, Any] | None = None) -> Response:
    """The HTTP response of an error.

    `more` are members that some clients look for, in a body that calls itself plain JSON: they read
    no other.
    """
    body, headers = document(error) | dict(more or {}), {}
    if "retry_after_s" in body:
        headers["Retry-After"] = str(max(1, math.ceil(body["retry_after_s"])))
    if body["status"] == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if body["status"] == 500:  # as of unexpected errors: see there
        headers["Connection"] = "close"
    return Response(
        msgspec.json.encode(body),
        status_code=body["status"],
        headers=headers,
        media_type="application/json" if more else MEDIA_TYPE,
    )


def invalid(error: RequestValidationError) -> errors.InvalidInput:
    """Ours for what FastAPI finds wrong with parameters or body: the first of it."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        cause = first.get("ctx", {}).get("error", first["msg"])
        return errors.InvalidInput(
            f"not JSON: {cause} at character {first['loc'][-1]}", field="body"
        )
    where = ".".join(
        str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")
    )
    return errors.InvalidInput(first["msg"], field=where or "body")


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem document."""
    app.add_exception_handler(errors.PlatformError, _platform)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def restore(body: Any, code: int) -> errors.PlatformError:
    """The error behind a problem document that one of our servers sent (for clients)."""
    if not isinstance(body, dict):
        body = {"detail": f"HTTP {code}"}
    name = str(body.get("type", "")).removeprefix(TYPE)
    fallback = errors.Unavailable if code >= 500 else errors.InvalidInput
    kind = _CLASSES.get(name, fallback)
    extra = (
        {"retry_after_s": float(body["retry_after_s"])}
        if "retry_after_s" in body and issubclass(kind, errors.TryLater)
        else {}
    )
    return kind(
        str(body.get("detail", f"HTTP {code}")),
        field=str(body.get("field", "")),
        fix=str(body.get("fix", "")),
        **extra,
    )


async def _platform(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.PlatformError)
    if status(error) >= 500 and not hasattr(error, "retry_after_s"):
        _log.error("request failed", error=str(error), kind=type(error).__name__)
    return response(error)


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return response(invalid(error))


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {
        "type": "about:blank",
        "title": str(error.detail),
        "status": error.status_code,
        "detail": str(error.detail),
    }
    return Response(
        msgspec.json.encode(body),
        status_code=error.status_code,
        headers=dict(error.headers or {}),
        media_type=MEDIA_TYPE,
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("request failed with an unexpected error", path=request.url.path, exc_info=error)
    body = {
        "type": "about:blank",
        "title": "Unexpected error",
        "status": 500,
        "detail": type(error).__name__,
    }
    # The body may not be read to its end, so that no other request can follow. Told so, the client
    # does not find the connection reset in the middle of its next one.
    return Response(
        msgspec.json.encode(body),
        status_code=500,
        headers={"Connection": "close"},
        media_type=MEDIA_TYPE,
    )
