"""Errors as responses of FastAPI. What stands in them: `mlplatform.web.problem`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mlplatform import errors
from mlplatform.telemetry import logger
from mlplatform.web import problem

_log = logger("web")


def response(error: errors.PlatformError, more: Mapping[str, Any] | None = None) -> Response:
    """The HTTP response of an error. See `problem.answer`."""
    return as_response(problem.answer(error, more))


def as_response(answer: problem.WholeResponse) -> Response:
    """The same as an object of the framework."""
    made = Response(answer.body, status_code=answer.status)
    made.raw_headers = answer.headers
    return made


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


async def _platform(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.PlatformError)
    if problem.status(error) >= 500 and not hasattr(error, "retry_after_s"):
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
    headers = [(n.lower().encode(), v.encode()) for n, v in (error.headers or {}).items()]
    return as_response(problem.written(body, headers))


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
    return as_response(problem.written(body, [(b"connection", b"close")]))
