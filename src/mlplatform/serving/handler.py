"""Answer one request: who asks, what is asked, which model, is it stored, what goes back.

Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mlplatform.access import ANONYMOUS, AccessList, Caller, Role
from mlplatform.contracts.request import new_request_id
from mlplatform.errors import Overloaded, TooLarge
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.recorder import too_large
from mlplatform.serving.request import DecodedRequest, PendingRequest, Prediction
from mlplatform.serving.slot import Slots
from mlplatform.settings import ServingSettings

_OUTPUT_BYTES = 2  # a number and its comma: the least that an output takes in a record


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as a transport hands it over.

    `dialect` is a name of `mlplatform.serving.dialects`.
    """

    pipeline: str
    version: str | None
    dialect: str
    authorization: str | None


@dataclass(frozen=True, slots=True)
class Response:
    """The answer's bytes, and the id under which the request is stored."""

    body: bytes
    request_id: str


class Handler:
    """Used on the event loop.

    `access` None means that everybody may ask (auth: none). `storable` raises while nothing can be
    stored.
    """

    def __init__(
        self,
        *,
        slots: Slots,
        access: AccessList | None,
        limits: ServingSettings,
        max_record_bytes: int,
        storable: Callable[[], None] = lambda: None,
        new_id: Callable[[], str] = new_request_id,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.slots = slots
        self.max_body_bytes = limits.max_body_bytes
        self._access = access
        self._limits = limits
        self._max_record_bytes = max_record_bytes
        self._storable = storable
        self._new_id = new_id
        self._now_us = now_us

    def admit(self, ask: Ask) -> Caller:
        """Who asks, before anything of the body is read.

        Raises Unauthenticated, Forbidden, or UnknownName for the model.
        """
        caller = ANONYMOUS if self._access is None else self._access.authenticate(ask.authorization)
        caller.require((Role.PREDICT,), ask.pipeline)
        self.slots.find(ask.pipeline)
        return caller

    async def answer(self, ask: Ask, caller: Caller, body: bytes) -> Response:
        """The answer to an admitted request; when it returns, the request is on disk.

        Raises InvalidInput (the body), TooLarge, UnknownName (the version), Overloaded,
        Unavailable.
        """
        slot = self.slots.find(ask.pipeline)
        batcher = slot.choose(ask.version)
        self._storable()  # before the limit: behind a disk that hangs everybody waits, and that is no overload
        if len(slot.waiting) >= self._limits.max_waiting:
            raise Overloaded(
                f"{len(slot.waiting)} requests wait for model '{ask.pipeline}' already"
            )
        model = batcher.model
        dialect = model.dialects[ask.dialect]
        request = dialect.decode(body)
        self._refuse_large(request, model, len(body))
        pending = self._pending(ask, caller, request, model)
        slot.waiting.add(pending.request_id)
        try:
            batcher.submit(pending)
            await pending.done
        finally:
            slot.waiting.discard(pending.request_id)
        slot.meters.predicted(model.version, request.rows)
        return Response(
            dialect.encode(
                Prediction(
                    pending.request_id, ask.pipeline, model.version, request, pending.outputs
                )
            ),
            pending.request_id,
        )

    def describe(
        self, pipeline: str, version: str | None, authorization: str | None
    ) -> LoadedModel:
        """The model behind a name, for its metadata. Raises like `admit` and `answer`."""
        self.admit(Ask(pipeline, version, "", authorization))
        return self.slots.find(pipeline).choose(version).model

    def _pending(
        self, ask: Ask, caller: Caller, request: DecodedRequest, model: LoadedModel
    ) -> PendingRequest:
        return PendingRequest(
            request,
            request_id=self._new_id(),
            pipeline=ask.pipeline,
            version=model.version,
            caller=caller.name,
            received_us=self._now_us(),
            done=asyncio.get_running_loop().create_future(),
        )

    def _refuse_large(self, request: DecodedRequest, model: LoadedModel, body_bytes: int) -> None:
        """Refuse before the model is asked what is known to be too large.

        Small bodies can't be, and pay nothing for it.
        """
        if request.rows > self._limits.max_rows:
            raise TooLarge(
                f"{request.rows} rows are more than {self._limits.max_rows} in one request",
                field="body",
            )
        if body_bytes * 2 < self._max_record_bytes:
            return
        width = sum(output.width for output in model.signature.outputs)
        least = len(msgspec.json.encode(request.columns)) + request.rows * width * _OUTPUT_BYTES
        if least > self._max_record_bytes:
            raise too_large(least, self._max_record_bytes)
