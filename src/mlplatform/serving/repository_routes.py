"""The model repository extension of the Open Inference Protocol: what is here, and in which state.

Loading and unloading are refused: a promotion decides which version serves.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from mlplatform.errors import InvalidInput, Refused, TooLarge
from mlplatform.serving import operations
from mlplatform.serving.dialect_route import route_class
from mlplatform.serving.dialects import INFERENCE, diagnose
from mlplatform.serving.metadata import ModelState
from mlplatform.serving.routes import Answering
from mlplatform.web.authorization import authorization

_MOST_BYTES = 4096
metadata = APIRouter(
    prefix="/v2/repository",
    tags=["metadata"],
    route_class=route_class(INFERENCE),
    responses=operations.errors(INFERENCE, 401, 413, 422),
)
guarded = APIRouter(
    prefix="/v2/repository",
    tags=["metadata"],
    route_class=route_class(INFERENCE),
    responses=operations.errors(INFERENCE, 401, 403, 404, 409, 422),
)
"""Routes of one model that need a token."""


async def _known(request: Request, handler: Answering) -> list[ModelState]:
    """What the caller may use; to come before anything else of the request is judged."""
    return handler.states(authorization(request.scope["headers"]))


async def _only_ready(request: Request) -> bool:
    """Whether the client wants to see only models that serve. The body may be empty."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise TooLarge(f"the body is larger than {_MOST_BYTES} bytes", field="body")
    document = diagnose.document(body) if body.strip() else {}
    ready = document.get("ready", False)
    if not isinstance(ready, bool):
        raise InvalidInput("must be true or false", field="ready")
    return ready


@metadata.post(
    "/index",
    summary="The models that the caller may use, and their states.",
    openapi_extra=operations.INDEX,
)
async def index(
    states: Annotated[list[ModelState], Depends(_known)],
    only_ready: Annotated[bool, Depends(_only_ready)],
) -> list[ModelState]:
    """With `{"ready": true}` only those that serve."""
    return [state for state in states if state.state == "READY" or not only_ready]


@guarded.post("/models/{model}/load", summary="Always refused.")
@guarded.post("/models/{model}/unload", summary="Always refused.")
async def load(model: str) -> None:
    """For clients that try: says what to do instead."""
    raise Refused(
        "clients can't load or unload a version: its promotion decides",
        field="model",
        fix=f"mlplatform promote or mlplatform withdraw, for pipeline '{model}'",
    )
