"""Pages of MLflow's scoring protocol, which clients of SageMaker use too."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from mlplatform import __version__
from mlplatform.errors import UnknownName
from mlplatform.serving import operations
from mlplatform.serving.dialect_route import respond, route_class
from mlplatform.serving.dialects import MLFLOW
from mlplatform.serving.request import Route
from mlplatform.serving.route_table import SINGLE, invocations
from mlplatform.serving.routes import Answering
from mlplatform.web.authorization import authorization

predictions = APIRouter(tags=["predictions"], route_class=route_class(MLFLOW))
metadata = APIRouter(
    tags=["metadata"],
    route_class=route_class(MLFLOW),
    responses=operations.errors(MLFLOW, 422, 503),
)


@predictions.post(
    "/models/{model}/invocations",
    summary="MLflow's scoring protocol.",
    openapi_extra=operations.INVOKE,
    responses=operations.errors(MLFLOW),
)
async def invoke(model: str, request: Request, handler: Answering) -> Response:
    """A data frame, rows, columns or CSV in; one class or number per row back."""
    return await respond(handler, Route(model, None, MLFLOW), request.scope, request.receive)


@predictions.post(
    SINGLE,
    summary="The same where one model is served; 404 names the paths of several.",
    openapi_extra=operations.INVOKE,
    responses=operations.errors(MLFLOW),
)
async def invoke_single(request: Request, handler: Answering) -> Response:
    """For clients that know one model per server, as MLflow's and SageMaker's do."""
    if len(handler.models) == 1:
        route = Route(handler.models[0], None, MLFLOW)
        return await respond(handler, route, request.scope, request.receive)
    handler.authenticate(authorization(request.scope["headers"]))
    paths = ", ".join(map(invocations, handler.models))
    raise UnknownName(f"there are {len(handler.models)} models here; paths are {paths}")


@metadata.get("/ping", summary="Every model that can be loaded serves.")
@metadata.get("/health", summary="The same.")
async def ping(handler: Answering) -> Response:
    """503 says what is still missing."""
    await handler.ready()
    return Response(b"{}\n", media_type="application/json")


@metadata.get(
    "/version",
    summary="The version of mlplatform, as text.",
    response_class=PlainTextResponse,
)
async def version() -> PlainTextResponse:
    """Where MLflow's server answers with its own."""
    return PlainTextResponse(__version__)
