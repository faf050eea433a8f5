"""Answer one request: check the caller, choose the model, predict, record, encode.

Independent of the transport, which hands over a route, a token and the body's bytes, and gets a
Response or an exception. What is left to it: read the body, write the response, and turn the status
that `failed` returns into a code of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mlplatform.access import ANONYMOUS, AccessList, Caller, Role
from mlplatform.contracts.model_metadata import ModelMetadata
from mlplatform.contracts.outbox_report import OutboxView
from mlplatform.contracts.request import new_request_id
from mlplatform.errors import Overloaded, PlatformError, TooLarge, Unavailable
from mlplatform.serving.accepted_request import AcceptedRequest
from mlplatform.serving.dialects import decode
from mlplatform.serving.metadata import ModelState, describe, state
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.model_watch import ModelWatch
from mlplatform.serving.recording import Recording, too_large
from mlplatform.serving.request import DecodedRequest, PendingRequest, Response, Route, Waiter
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings
from mlplatform.telemetry import logger
from mlplatform.web import problem
from mlplatform.web.rate_limit import RateLimit

_OUTPUT_BYTES = 2  # a number and its comma: the least that an output takes in a record
_log = logger("serving")


class Handler:
    """Used on the event loop, from `start` to `close`.

    `access` None lets everybody in (auth: none). While `draining`, requests are still answered, but
    the process is no longer ready; nor is it when `others` raises Unavailable: its fellow workers.
    """

    def __init__(
        self,
        *,
        slots: Slots,
        recorder: Recording,
        access: AccessList | None,
        limits: ServingSettings,
        new_id: Callable[[], str] = new_request_id,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.max_body_bytes = limits.max_body_bytes
        self.draining = False
        self.others: Callable[[], None] = _alone
        self.watch = ModelWatch(slots, hung_s=limits.model_hung_s)
        self.models = tuple(slot.pipeline for slot in slots.all())
        self._slots = slots
        self._recorder = recorder
        self._access = access
        self._limits = limits
        rate = limits.rate_per_s
        self._rate = RateLimit(rate_per_s=rate, burst=limits.burst) if rate else None
        self._new_id = new_id
        self._now_us = now_us

    def start(self) -> None:
        """Start recording; requests can be answered on the running loop."""
        self._recorder.start()

    async def close(self) -> None:
        """Store what was handed over, close the outbox, give the models' threads back."""
        await self._recorder.close()
        for slot in self._slots.all():
            slot.close()

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller behind a token, whatever it may do. Raises Unauthenticated."""
        return ANONYMOUS if self._access is None else self._access.authenticate(authorization)

    def admit(self, pipeline: str, authorization: str | None) -> Caller:
        """The caller behind a token, before anything of the body is read.

        Raises Unauthenticated, Forbidden, or UnknownName for the model.
        """
        caller = self.authenticate(authorization)
        caller.require((Role.PREDICT,), pipeline)
        self._slots.find(pipeline)
        return caller

    async def answer(
        self, route: Route, caller: Caller, body: bytes, deadline: float | None = None
    ) -> Response:
        """The response to an admitted request; when it returns, the request is on disk.

        `deadline`: see `mlplatform.serving.deadline`. Raises InvalidInput (the body), TooLarge,
        UnknownName (the version), Overloaded, Unavailable, DeadlinePassed.
        """
        accepted = self.accept(route, caller, body, done := _future())
        try:
            accepted.submit(deadline)
            await done
        finally:
            accepted.end()
        return accepted.response()

    def accept(self, route: Route, caller: Caller, body: bytes, done: Waiter) -> AcceptedRequest:
        """The request of an admitted caller, decoded. Raises as `answer` does."""
        if self._rate is not None:
            self._rate.take(caller.name)
        slot = self._slots.find(route.pipeline)
        batcher = slot.choose(route.version)
        self._refuse_overload(slot)
        model = batcher.model
        request = _decoded(slot, model, route, body)
        if len(body) * 2 >= self._recorder.max_record_bytes or request.rows > self._limits.max_rows:
            request = self._refuse_large(request, model)
        pending = PendingRequest(
            request,
            request_id=self._new_id(),
            pipeline=route.pipeline,
            version=model.version,
            caller=caller.name,
            dialect=route.dialect,
            received_us=self._now_us(),
            done=done,
        )
        return AcceptedRequest(slot, batcher, pending)

    def failed(self, error: Exception, path: str) -> int:
        """The status of a request that failed; what is not the client's fault goes to the log."""
        if not isinstance(error, PlatformError):
            _log.error("request failed with an unexpected error", path=path, exc_info=error)
            return 500
        status = problem.status(error)
        if status == 500:
            _log.error("request failed", path=path, error=str(error), kind=type(error).__name__)
        return status

    def count(self, pipeline: str, status: int, seconds: float) -> None:
        """Count a response.

        Unknown names are not counted: a label that callers can make up would grow without end.
        """
        slot = self._slots.get(pipeline)
        if slot is not None:
            slot.meters.replied(status, seconds)

    async def ready(self) -> list[str]:
        """Return when every version that can be loaded is, and requests can be stored.

        Returns the pipelines without a promoted version. Raises Unavailable that says what
        is missing, also while the process is draining or its disk hangs.
        """
        self.refuse_unready()
        self.others()
        return self._slots.vacant()

    def refuse_unready(self) -> None:
        """The same for this process alone. Raises Unavailable."""
        self._recorder.refuse_if_hung()
        if self.draining:
            raise Unavailable(
                "this process is draining: it finishes what it has and takes nothing new"
            )
        self._slots.refuse_missing()

    def degraded(self) -> dict[str, str]:
        """Pipeline -> why its promoted version is not the one that serves."""
        return self._slots.faults()

    def model_ready(self, pipeline: str, version: str | None) -> None:
        """Return when that model (and version) can answer. Raises UnknownName, Unavailable."""
        self._slots.find(pipeline).choose(version)

    def states(self, authorization: str | None) -> list[ModelState]:
        """The states of the models that the caller may use. Raises Unauthenticated."""
        caller = self.authenticate(authorization)
        return [
            state(slot) for slot in self._slots.all() if caller.may((Role.PREDICT,), slot.pipeline)
        ]

    def describe(self, pipeline: str, version: str | None) -> ModelMetadata:
        """A model's metadata, for an admitted caller. Raises UnknownName, Unavailable."""
        return describe(self._slots.find(pipeline).choose(version).model)

    async def outbox(self) -> OutboxView:
        """What waits for the queue, and which versions serve. Raises Unavailable."""
        status = await self._recorder.status()
        return OutboxView(
            outbox_id=status.outbox_id,
            accepted=status.accepted,
            acknowledged=status.acknowledged,
            bytes=status.bytes,
            versions=self._slots.versions(),
        )

    def _refuse_overload(self, slot: Slot) -> None:
        # The disk first: behind one that hangs everybody waits, which is not an overload.
        self._recorder.refuse_if_hung()
        if len(slot.waiting) >= self._limits.max_waiting:
            raise Overloaded(
                f"{len(slot.waiting)} requests are already waiting for model '{slot.pipeline}'"
            )

    def _refuse_large(self, request: DecodedRequest, model: LoadedModel) -> DecodedRequest:
        """Refuse before the model is called what is known to be too large.

        Otherwise returns the request in the form in which it may still be small enough.
        """
        if request.rows > self._limits.max_rows:
            raise TooLarge(
                f"{request.rows} rows are more than {self._limits.max_rows} in one request",
                field="body",
            )
        shorter = request.shortened()
        width = sum(output.width for output in model.signature.outputs)
        least = len(shorter.body) + request.rows * width * _OUTPUT_BYTES
        if least > self._recorder.max_record_bytes:
            raise too_large(least, self._recorder.max_record_bytes)
        return shorter


def _decoded(slot: Slot, model: LoadedModel, route: Route, body: bytes) -> DecodedRequest:
    """The request in the body, with nothing in it that may not be stored. Raises as `answer`."""
    redaction = slot.redaction
    try:
        request = decode(model.dialects[route.dialect], body, route.json_bytes)
        return redaction.applied(request) if redaction.active else request
    except PlatformError:
        raise
    except Exception as error:
        if not redaction.active:
            raise
        # What goes to the log may hold no value of the body, and the error's text might.
        raise PlatformError(f"reading the request failed: {type(error).__name__}") from None


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def _alone() -> None:
    """A process without fellow workers waits for nobody."""
