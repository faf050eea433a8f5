"""Routes of FastAPI whose answers and errors are those of the application before it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response as HttpResponse

from mlplatform.errors import PlatformError
from mlplatform.serving.dialects import refusals
from mlplatform.serving.handler import Handler
from mlplatform.serving.prediction_app import Message, Receive, Scope, predict
from mlplatform.serving.request import Route
from mlplatform.web import error_responses, problem


def route_class(dialect: str) -> type[APIRoute]:
    """A class for the routes of FastAPI whose clients use that dialect."""

    class DialectRoute(APIRoute):
        """Answers errors as `PredictionApp` does."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, HttpResponse]]:
            """See APIRoute."""
            answer = super().get_route_handler()

            async def shaped(request: Request) -> HttpResponse:
                try:
                    return await answer(request)
                except PlatformError as error:
                    members = refusals.members(dialect, problem.status(error), str(error))
                    return error_responses.response(error, members)

            return shaped

    return DialectRoute


async def respond(handler: Handler, route: Route, scope: Scope, receive: Receive) -> HttpResponse:
    """What `PredictionApp` answers, as a response object."""
    started: Message = {}
    parts: list[bytes] = []

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            parts.append(message["body"])

    code = await predict(handler, route, scope, receive, collect)
    response = HttpResponse(b"".join(parts), status_code=code)
    response.raw_headers = started.get("headers", [])
    return response
