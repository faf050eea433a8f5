"""Every other page: server and model metadata as the Open Inference Protocol asks, the outbox, and the documented prediction routes.

The prediction routes are real, but `mlplatform.serving.prediction_app` answers before FastAPI sees such a
request; here they carry the documentation, and answer where the front is left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from mlplatform import __version__
from mlplatform.contracts.model import Signature
from mlplatform.serving import examples
from mlplatform.serving.dialects import INFERENCE, ROWS
from mlplatform.serving.dialects.tensors import DATATYPES
from mlplatform.serving.handler import Handler
from mlplatform.serving.prediction_app import respond
from mlplatform.serving.recorder import RequestRecorder

_PLATFORMS = {"onnx": "onnx_onnxv1", "skops": "sklearn_skops"}


def predictions(handler: Handler) -> APIRouter:
    """The prediction routes."""
    router = APIRouter(tags=["predictions"])

    @router.post(
        "/v1/models/{model}/predict",
        summary="Predict plain rows.",
        openapi_extra=examples.ROWS,
        responses=examples.ERRORS,
    )
    async def predict(model: str, request: Request) -> Response:
        return await respond(handler, (model, None, ROWS), request.scope, request.receive)

    @router.post(
        "/v2/models/{model}/infer",
        summary="Open Inference Protocol v2.",
        openapi_extra=examples.INFERENCE,
        responses=examples.ERRORS,
    )
    async def infer(model: str, request: Request) -> Response:
        return await respond(handler, (model, None, INFERENCE), request.scope, request.receive)

    @router.post(
        "/v2/models/{model}/versions/{version}/infer",
        summary="The same, or 404 when that version is not the one that answers.",
        openapi_extra=examples.INFERENCE,
        responses=examples.ERRORS,
    )
    async def infer_version(model: str, version: str, request: Request) -> Response:
        return await respond(handler, (model, version, INFERENCE), request.scope, request.receive)

    return router


def metadata(
    handler: Handler, recorder: RequestRecorder, ready: Callable[[], Awaitable[None]]
) -> APIRouter:
    """Metadata, readiness (`ready` raises Unavailable) and the outbox."""
    router = APIRouter(tags=["metadata"])

    @router.get("/v2", summary="The server.")
    async def server() -> dict[str, Any]:
        return {"name": "mlplatform", "version": __version__, "extensions": []}

    @router.get("/v2/health/live", summary="The process is alive.")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/v2/health/ready", summary="Every promoted model answers; 503 says which doesn't.")
    async def healthy() -> dict[str, Any]:
        await ready()
        return {"ready": True, "waiting_for_promotion": handler.slots.vacant()}

    @router.get("/v2/models/{model}", summary="Inputs, outputs and loaded versions of a model.")
    @router.get("/v2/models/{model}/versions/{version}", summary="The same for one version.")
    async def describe(request: Request, model: str, version: str | None = None) -> dict[str, Any]:
        return describe_model(handler, request, model, version)

    @router.get("/v2/models/{model}/ready", summary="This model answers; 503 says why not.")
    @router.get("/v2/models/{model}/versions/{version}/ready", summary="The same for one version.")
    async def model_ready(model: str, version: str | None = None) -> dict[str, Any]:
        handler.slots.find(model).choose(version)
        return {"name": model, "ready": True}

    @router.get("/v1/outbox", summary="What waits for the queue, and which versions answer.")
    async def outbox() -> dict[str, Any]:
        status = await recorder.status()
        return {
            "outbox_id": status.outbox_id,
            "accepted": status.accepted,
            "acknowledged": status.acknowledged,
            "bytes": status.bytes,
            "versions": handler.slots.versions(),
        }

    return router


def describe_model(
    handler: Handler, request: Request, model: str, version: str | None
) -> dict[str, Any]:
    """A model's metadata, for callers who may ask it."""
    loaded = handler.describe(model, version, request.headers.get("authorization"))
    return {
        "name": model,
        "versions": [loaded.version],
        "platform": _PLATFORMS[loaded.signature.format],
        **_tensors(loaded.signature),
    }


def _tensors(signature: Signature) -> dict[str, Any]:
    inputs = [
        {"name": column.name, "datatype": DATATYPES[column.dtype], "shape": [-1]}
        for column in signature.inputs
    ]
    outputs = [
        {
            "name": output.name,
            "datatype": DATATYPES[output.dtype],
            "shape": [-1] if output.width == 1 else [-1, output.width],
        }
        for output in signature.outputs
    ]
    parameters = {} if signature.classes is None else {"classes": list(signature.classes)}
    return {"inputs": inputs, "outputs": outputs, "parameters": parameters}
