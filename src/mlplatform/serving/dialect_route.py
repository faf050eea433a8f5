"""Errors over HTTP in the shape that a dialect's clients expect."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response as HttpResponse

from mlplatform.errors import PlatformError
from mlplatform.serving.dialects import refusals
from mlplatform.web import problem


def refusal(error: PlatformError, dialect: str) -> HttpResponse:
    """The response of an error."""
    return problem.response(error, refusals.members(dialect, problem.status(error), str(error)))


def route_class(dialect: str) -> type[APIRoute]:
    """A class for the routes of FastAPI whose clients use that dialect."""

    class DialectRoute(APIRoute):
        """Answers errors as `refusal` does."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, HttpResponse]]:
            """See APIRoute."""
            answer = super().get_route_handler()

            async def shaped(request: Request) -> HttpResponse:
                try:
                    return await answer(request)
                except PlatformError as error:
                    return refusal(error, dialect)

            return shaped

    return DialectRoute
