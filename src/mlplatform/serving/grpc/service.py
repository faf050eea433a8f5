"""The services that a gRPC port offers: messages in, messages out, statuses for errors.

Everything else is the handler's, as over HTTP: access, batching, recording, overload, metrics.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import grpc
from grpc.aio import AbortError, ServicerContext

from mlplatform import __version__
from mlplatform.errors import Unavailable, UnknownName
from mlplatform.serving.deadline import deadline
from mlplatform.serving.dialects import GRPC
from mlplatform.serving.grpc import status
from mlplatform.serving.grpc.messages import message, parsed
from mlplatform.serving.handler import Handler
from mlplatform.serving.metadata import EXTENSIONS
from mlplatform.serving.prediction_app import GONE
from mlplatform.serving.request import Route
from mlplatform.web.authorization import authorization

SERVICE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
INFER = f"/{SERVICE}/ModelInfer"
_SERVING, _NOT_SERVING = 1, 2


class InferenceServices:
    """What is answered, method by method. Used on the event loop."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def handlers(self) -> list[Any]:
        """For `grpc.aio.Server`: one handler for each service."""
        protocol = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server,
            "ModelMetadata": self._model,
            "RepositoryIndex": self._index,
        }
        methods = {
            name: self._page(f"inference.{name}Request", answer)
            for name, answer in protocol.items()
        }
        # Bytes in and out: the dialect reads and writes the messages of a prediction.
        methods["ModelInfer"] = grpc.unary_unary_rpc_method_handler(self._infer)
        health = {"Check": self._page("grpc.health.v1.HealthCheckRequest", self._health)}
        return [
            grpc.method_handlers_generic_handler(SERVICE, methods),
            grpc.method_handlers_generic_handler(HEALTH, health),
        ]

    async def _infer(self, body: bytes, context: ServicerContext) -> bytes:
        started = time.perf_counter()
        pipeline, code = "", GONE  # also when the task is cancelled: nobody waits any more
        try:
            address = parsed("inference.ModelAddress", body)
            pipeline = address.model_name
            caller = self._handler.admit(pipeline, _authorization(context))
            route = Route(pipeline, address.model_version or None, GRPC)
            response = await self._handler.answer(
                route, caller, body, deadline(context.time_remaining())
            )
            code = 200
        except Exception as error:
            code = self._handler.failed(error, INFER)
            raise await _aborted(context, error) from error
        finally:
            self._handler.count(pipeline, code, time.perf_counter() - started)
        context.set_trailing_metadata((("x-request-id", response.request_id),))
        return response.body

    def _page(
        self, request: str, answer: Callable[[Any, ServicerContext], Awaitable[Any]]
    ) -> grpc.RpcMethodHandler:
        async def answered(body: bytes, context: ServicerContext) -> bytes:
            try:
                found = await answer(parsed(request, body), context)
                encoded: bytes = found.SerializeToString()
            except Exception as error:
                self._handler.failed(error, request)
                raise await _aborted(context, error) from error
            return encoded

        return grpc.unary_unary_rpc_method_handler(answered)

    async def _live(self, _: Any, __: ServicerContext) -> Any:
        return message("inference.ServerLiveResponse")(live=True)

    async def _ready(self, _: Any, __: ServicerContext) -> Any:
        return message("inference.ServerReadyResponse")(ready=await self._is_ready())

    async def _is_ready(self) -> bool:
        try:
            await self._handler.ready()
        except Unavailable:
            return False
        return True

    async def _model_ready(self, request: Any, _: ServicerContext) -> Any:
        ready = message("inference.ModelReadyResponse")
        try:
            self._handler.model_ready(request.name, request.version or None)
        except Unavailable:
            return ready(ready=False)
        return ready(ready=True)

    async def _server(self, _: Any, __: ServicerContext) -> Any:
        return message("inference.ServerMetadataResponse")(
            name="mlplatform", version=__version__, extensions=EXTENSIONS
        )

    async def _model(self, request: Any, context: ServicerContext) -> Any:
        self._handler.admit(request.name, _authorization(context))
        found = self._handler.describe(request.name, request.version or None)
        made = message("inference.ModelMetadataResponse")(
            name=found.name, versions=found.versions, platform=found.platform
        )
        for tensors, target in ((found.inputs, made.inputs), (found.outputs, made.outputs)):
            for tensor in tensors:
                target.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        return made

    async def _index(self, request: Any, context: ServicerContext) -> Any:
        made = message("inference.RepositoryIndexResponse")()
        for state in self._handler.states(_authorization(context)):
            if state.state == "READY" or not request.ready:
                made.models.add(**asdict(state))
        return made

    async def _health(self, request: Any, _: ServicerContext) -> Any:
        if request.service not in ("", SERVICE):
            raise UnknownName(f"there is no service '{request.service}' here", field="service")
        ready = await self._is_ready()
        return message("grpc.health.v1.HealthCheckResponse")(
            status=_SERVING if ready else _NOT_SERVING
        )


def _authorization(context: ServicerContext) -> str | None:
    return authorization(
        (name.encode(), value.encode() if isinstance(value, str) else value)
        for name, value in context.invocation_metadata() or ()
    )


async def _aborted(context: ServicerContext, error: Exception) -> Exception:
    """End the call with the error's status; returns what its method must raise then."""
    try:
        await context.abort(status.code(error), status.details(error), status.metadata(error))
    except AbortError as ended:
        error = ended
    return error
