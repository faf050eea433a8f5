"""The pages behind `mlplatform.serving.prediction_app`: metadata, readiness, the outbox.

The prediction routes stand here too. They carry the documentation, and answer where FastAPI is
reached without that application before it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from mlplatform import __version__
from mlplatform.contracts.model_metadata import ModelMetadata
from mlplatform.contracts.outbox_report import OutboxView
from mlplatform.serving import operations
from mlplatform.serving.dialect_route import respond, route_class
from mlplatform.serving.dialects import INFERENCE, ROWS
from mlplatform.serving.handler import Handler
from mlplatform.serving.metadata import EXTENSIONS
from mlplatform.serving.request import Route
from mlplatform.web.authorization import authorization

predictions = APIRouter(tags=["predictions"])
metadata = APIRouter(
    tags=["metadata"],
    route_class=route_class(INFERENCE),
    responses=operations.errors(INFERENCE, 404, 422, 503),
)
guarded = APIRouter(
    tags=["metadata"],
    route_class=route_class(INFERENCE),
    responses=operations.errors(INFERENCE, 401, 403, 404, 422, 503),
)
"""Routes of one model that need a token."""
own = APIRouter(tags=["operation"], responses=operations.errors(ROWS, 422, 503))
"""Pages that no other server has: their errors are plain problem documents."""


async def _handler(request: Request) -> Handler:  # async: a plain one would run in a thread
    handler: Handler = request.app.state.handler
    return handler


Answering = Annotated[Handler, Depends(_handler)]


async def admitted(request: Request, handler: Answering) -> None:
    """Decides on the caller's right; to come before anything else of the request is judged."""
    handler.admit(request.path_params["model"], authorization(request.scope["headers"]))


@predictions.post(
    "/v1/models/{model}/predict",
    summary="Predict plain rows.",
    openapi_extra=operations.PREDICT,
    responses=operations.errors(ROWS),
)
async def predict(model: str, request: Request, handler: Answering) -> Response:
    """Answers as `PredictionApp` does."""
    return await respond(handler, Route(model, None, ROWS), request.scope, request.receive)


@predictions.post(
    "/v2/models/{model}/infer",
    summary="Open Inference Protocol v2.",
    openapi_extra=operations.INFER,
    responses=operations.errors(INFERENCE),
)
async def infer(model: str, request: Request, handler: Answering) -> Response:
    """A tensor per column or one of all in, one per output back, as JSON or bytes."""
    return await respond(handler, Route(model, None, INFERENCE), request.scope, request.receive)


@predictions.post(
    "/v2/models/{model}/versions/{version}/infer",
    summary="The same, or 404 when that version is not the one that serves.",
    openapi_extra=operations.INFER,
    responses=operations.errors(INFERENCE),
)
async def infer_version(model: str, version: str, request: Request, handler: Answering) -> Response:
    """For clients that must not get another version's predictions."""
    return await respond(handler, Route(model, version, INFERENCE), request.scope, request.receive)


@metadata.get("/v2", summary="The server.")
async def server() -> dict[str, Any]:
    """Name and version, as the Open Inference Protocol asks."""
    return {"name": "mlplatform", "version": __version__, "extensions": list(EXTENSIONS)}


@metadata.get("/v2/health/live", summary="The process is alive.")
async def live() -> dict[str, bool]:
    """Nothing else is checked."""
    return {"live": True}


@metadata.get("/v2/health/ready", summary="Every model that can be loaded serves.")
async def ready(handler: Answering) -> dict[str, Any]:
    """Models without a promotion, or with one that can't be loaded, are named: they hold nobody up.

    503 says what is still missing.
    """
    waiting = await handler.ready()
    return {"ready": True, "waiting_for_promotion": waiting, "not_loaded": handler.degraded()}


@guarded.get("/v2/models/{model}", summary="Inputs, outputs and loaded versions of a model.")
@guarded.get("/v2/models/{model}/versions/{version}", summary="The same for one version.")
async def describe(handler: Answering, model: str, version: str | None = None) -> ModelMetadata:
    """For callers who may use the model."""
    return handler.describe(model, version)


@metadata.get("/v2/models/{model}/ready", summary="This model serves; 503 says why not.")
@metadata.get("/v2/models/{model}/versions/{version}/ready", summary="The same for one version.")
async def model_ready(handler: Answering, model: str, version: str | None = None) -> dict[str, Any]:
    """Needs no token, so that load balancers can use it."""
    handler.model_ready(model, version)
    return {"name": model, "ready": True}


@own.get("/v1/outbox", summary="What waits for the queue, and which versions serve.")
async def outbox(handler: Answering) -> OutboxView:
    """Numbers of the last request accepted and of the last one that the queue acknowledged."""
    return await handler.outbox()
