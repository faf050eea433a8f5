"""A request between its acceptance and its answer."""

from __future__ import annotations

import asyncio

from mlplatform.serving.batcher import Batcher
from mlplatform.serving.deadline import expire
from mlplatform.serving.request import PendingRequest, Response
from mlplatform.serving.slot import Slot


class AcceptedRequest:
    """Submitted once, ended once, whatever became of it; `response` is for one that was stored."""

    __slots__ = ("_batcher", "_pending", "_slot", "_timer")

    def __init__(self, slot: Slot, batcher: Batcher, pending: PendingRequest) -> None:
        self._slot = slot
        self._batcher = batcher
        self._pending = pending
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, deadline: float | None) -> None:
        """Let the model answer it. Its `done` may be set before this returns.

        Raises DeadlinePassed.
        """
        if deadline is not None:
            self._timer = expire(self._pending, deadline)
        self._slot.waiting.add(self._pending.request_id)
        self._batcher.submit(self._pending)

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._slot.waiting.discard(self._pending.request_id)
        if self._timer is not None:
            self._timer.cancel()

    def response(self) -> Response:
        """The answer in the dialect of the request."""
        pending, model = self._pending, self._batcher.model
        self._slot.meters.predicted(model.version, pending.request.rows)
        encoded = model.dialects[pending.dialect].encode(pending.prediction())
        return Response.of(encoded, pending.request_id, model.version)
