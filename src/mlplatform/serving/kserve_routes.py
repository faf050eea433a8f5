"""Pages of KServe's v1 protocol, which clients of TensorFlow Serving and Vertex AI use too."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from mlplatform.serving import operations
from mlplatform.serving.dialect_route import respond, route_class
from mlplatform.serving.dialects import KSERVE
from mlplatform.serving.request import Route
from mlplatform.serving.routes import Answering

predictions = APIRouter(tags=["predictions"])
metadata = APIRouter(
    tags=["metadata"],
    route_class=route_class(KSERVE),
    responses=operations.errors(KSERVE, 404, 422, 503),
)


@predictions.post(
    "/v1/models/{model}:predict",
    summary="KServe v1.",
    openapi_extra=operations.PREDICT_V1,
    responses=operations.errors(KSERVE),
)
async def predict_v1(model: str, request: Request, handler: Answering) -> Response:
    """Rows as `instances`, or columns as `inputs`; one class or number per row back."""
    return await respond(handler, Route(model, None, KSERVE), request.scope, request.receive)


@metadata.get("/", summary="The process is alive.")
async def alive() -> dict[str, str]:
    """What KServe's client asks for."""
    return {"status": "alive"}


@metadata.get("/v1/models", summary="The models of this process.")
async def models(handler: Answering) -> dict[str, list[str]]:
    """Their names, whether they serve already or not."""
    return {"models": list(handler.models)}


@metadata.get("/v1/models/{model}", summary="This model serves; 503 says why not.")
async def model_ready_v1(model: str, handler: Answering) -> dict[str, Any]:
    """Needs no token, so that load balancers can use it."""
    handler.model_ready(model, None)
    return {"name": model, "ready": True}
