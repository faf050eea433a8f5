"""Our exceptions as `application/problem+json` (RFC 9457), and back again for our own clients.

Each problem carries `type` (urn:mlplatform:<class>), `title`, `status`, `detail`, `field`, `fix`,
`retry_after_s` where another try makes sense (also as the Retry-After header, whole seconds), and
`request_id` where the request may be recorded all the same (also as X-Request-Id).
No web framework is needed here: `mlplatform.web.error_responses` has the part for FastAPI.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from mlplatform import errors

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
        key: value for key in ("field", "fix", "request_id") if (value := getattr(error, key, ""))
    }
    if (seconds := getattr(error, "retry_after_s", None)) is not None:
        body["retry_after_s"] = seconds
    return body


class WholeResponse(NamedTuple):
    """A whole response, its headers as ASGI has them."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def answer(error: errors.PlatformError, more: Mapping[str, Any] | None = None) -> WholeResponse:
    """The HTTP response of an error.

    `more` are members that some clients look for, in a body that calls itself plain JSON: they read
    no other.
    """
    body, headers = document(error) | dict(more or {}), []
    if "retry_after_s" in body:
        wait_s = max(1, math.ceil(body["retry_after_s"]))
        headers.append((b"retry-after", str(wait_s).encode()))
    if "request_id" in body:
        headers.append((b"x-request-id", body["request_id"].encode()))
    if body["status"] == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if body["status"] == 500:  # as of unexpected errors: see there
        headers.append((b"connection", b"close"))
    return written(body, headers, media_type="application/json" if more else MEDIA_TYPE)


def written(
    body: Mapping[str, Any],
    headers: list[tuple[bytes, bytes]],
    *,
    media_type: str = MEDIA_TYPE,
) -> WholeResponse:
    """The response of a document that has a `status`."""
    content = msgspec.json.encode(body)
    headers += [
        (b"content-length", str(len(content)).encode()),
        (b"content-type", media_type.encode()),
    ]
    return WholeResponse(body["status"], headers, content)


def restore(body: Any, code: int) -> errors.PlatformError:
    """The error behind a problem document that one of our servers sent (for clients)."""
    if not isinstance(body, dict):
        body = {"detail": f"HTTP {code}"}
    name = str(body.get("type", "")).removeprefix(TYPE)
    fallback = errors.Unavailable if code >= 500 else errors.InvalidInput
    kind = _CLASSES.get(name, fallback)
    extra: dict[str, Any] = {}
    if "retry_after_s" in body and issubclass(kind, errors.TryLater):
        extra["retry_after_s"] = float(body["retry_after_s"])
    if "request_id" in body and issubclass(kind, errors.NotAcknowledged):
        extra["request_id"] = str(body["request_id"])
    return kind(
        str(body.get("detail", f"HTTP {code}")),
        field=str(body.get("field", "")),
        fix=str(body.get("fix", "")),
        **extra,
    )
