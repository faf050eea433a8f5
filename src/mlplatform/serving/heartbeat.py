"""Report to the data API what this outbox holds: the balance counts it after a crash too."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.outbox_report import OutboxReport
from mlplatform.errors import PlatformError
from mlplatform.loop import jittered
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slots
from mlplatform.telemetry import gauge, logger

_log = logger("serving")
_STALL_S = 1.0
"""A shipper that acknowledges nothing for this long at the end is taken as gone: it works in steps
of some milliseconds."""
_POLL_S = 0.05


class Heartbeat:
    """`run` reports until it is cancelled; `last` is the farewell."""

    def __init__(
        self, recorder: RequestRecorder, slots: Slots, *, api: DataApi, every_s: float
    ) -> None:
        self._recorder = recorder
        self._slots = slots
        self._api = api
        self._every_s = every_s
        self._now = asyncio.Event()
        self._complaint = ""  # of the last report: logged once, not with every report

    def soon(self) -> None:
        """Report now: something changed that others wait for."""
        self._now.set()

    async def run(self) -> None:
        """Report for ever."""
        while True:
            # Cleared before the report, not after: a change while one is sent gets another one.
            self._now.clear()
            try:
                await self.beat(closed=False)
            except Exception as error:  # noqa: BLE001  (a bug must not stop the reports)
                _log.error("the heartbeat failed with an unexpected error", exc_info=error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), jittered(self._every_s))

    async def last(self, *, within_s: float) -> None:
        """The farewell: wait until the shipper has acknowledged everything, then report.

        It waits for as long as the shipper makes progress, `within_s` at most, and reports `closed`
        only when nothing is left. When the outbox does not respond there is no farewell: that is
        logged, and the shutdown goes on.
        """
        try:
            await self.beat(closed=await self._drained(within_s))
        except PlatformError as error:
            _log.error("leaving without a farewell", error=str(error))

    async def beat(self, *, closed: bool) -> None:
        """One report. When the data API can't be reached, that is logged, and once only."""
        try:
            status = await self._recorder.status()
            gauge("outbox_acknowledged_sequence").set(status.acknowledged)
            gauge("outbox_bytes").set(status.bytes)
            report = OutboxReport(
                host=socket.gethostname(),
                accepted=status.accepted,
                acknowledged=status.acknowledged,
                versions=self._slots.versions(),
                closed=closed,
            )
            await asyncio.to_thread(self._api.report_outbox, status.outbox_id, report)
        except PlatformError as error:
            if str(error) != self._complaint:
                _log.warning("the outbox could not be reported", error=str(error))
            self._complaint = str(error)
        else:
            self._complaint = ""

    async def _drained(self, within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        seen, moved = -1, loop.time()
        status = await self._recorder.status()
        while status.acknowledged < status.accepted and loop.time() < min(end, moved + _STALL_S):
            if status.acknowledged != seen:
                seen, moved = status.acknowledged, loop.time()
            await asyncio.sleep(_POLL_S)
            status = await self._recorder.status()
        return status.acknowledged == status.accepted
