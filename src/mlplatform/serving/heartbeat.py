"""Tell the data API what this outbox holds, so that the balance knows of it even when the process dies."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Protocol

from mlplatform.errors import PlatformError
from mlplatform.outbox import OutboxStatus
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slots
from mlplatform.telemetry import gauge, logger

_log = logger("serving")
_STALL_S = 1.0
"""A shipper that acknowledges nothing for so long at the end is taken as gone: it works in steps of some milliseconds."""


class Reports(Protocol):
    """The part of DataApi that is needed here."""

    def post(self, path: str, body: object) -> object:
        """Send a JSON document."""
        ...


class Heartbeat:
    """`run` beats until cancelled; `last` is the farewell."""

    def __init__(
        self, recorder: RequestRecorder, slots: Slots, *, api: Reports, every_s: float
    ) -> None:
        self._recorder = recorder
        self._slots = slots
        self._api = api
        self._every_s = every_s
        self._now = asyncio.Event()
        self._told = ""

    def soon(self) -> None:
        """Beat now: something changed that others wait for."""
        self._now.set()

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            try:
                await self.beat(closed=False)
            except Exception as error:  # noqa: BLE001  (a bug in a report must not stop the reports)
                _log.error("the heartbeat failed unforeseen", exc_info=error)
            try:
                await asyncio.wait_for(self._now.wait(), self._every_s * random.uniform(0.75, 1.25))  # noqa: S311  (spreads load)
            except TimeoutError:
                continue
            self._now.clear()

    async def last(self, *, patience_s: float) -> None:
        """Wait until the shipper has acknowledged everything, as long as it makes progress, then report; `closed` only when it has.

        An outbox that does not answer gets no farewell: it is told, and the end goes on.
        """
        try:
            await self.beat(closed=await self._drained(patience_s))
        except PlatformError as error:
            _log.error("leaving without a farewell", error=str(error))

    async def beat(self, *, closed: bool) -> None:
        """One report. A data API that is away is told once and tried again with the next beat."""
        try:
            status = await self._recorder.status()
            _show(status)
            await asyncio.to_thread(
                self._api.post,
                f"/v1/outboxes/{status.outbox_id}",
                self._report(status, closed=closed),
            )
        except PlatformError as error:
            if str(error) != self._told:
                _log.warning("the outbox could not be reported", error=str(error))
            self._told = str(error)
        else:
            self._told = ""

    async def _drained(self, patience_s: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        seen, moved = -1, loop.time()
        status = await self._recorder.status()
        while status.acknowledged < status.accepted and loop.time() < min(end, moved + _STALL_S):
            if status.acknowledged != seen:
                seen, moved = status.acknowledged, loop.time()
            await asyncio.sleep(0.05)
            status = await self._recorder.status()
        return status.acknowledged == status.accepted

    def _report(self, status: OutboxStatus, *, closed: bool) -> dict[str, object]:
        return {
            "host": socket.gethostname(),
            "accepted": status.accepted,
            "acknowledged": status.acknowledged,
            "versions": self._slots.versions(),
            "closed": closed,
        }


def _show(status: OutboxStatus) -> None:
    gauge("outbox_acknowledged_sequence").set(status.acknowledged)
    gauge("outbox_bytes").set(status.bytes)
