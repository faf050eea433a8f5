"""Report to the data API what this outbox holds: the balance counts it after a crash too."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.outbox_report import OutboxAnswer, OutboxReport
from mlplatform.errors import PlatformError
from mlplatform.loop import jittered
from mlplatform.outbox import OutboxStatus
from mlplatform.serving import ownership
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
        self._resets = 0  # of the queue, as far as they were heeded
        self._owned = ""  # the identity that the data API takes this run as the owner of
        self._complaint = ""  # of the last report: logged once, not with every report
        self._sending: asyncio.Future[OutboxAnswer] | None = None

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
            # `wait_for` of Python 3.11 loses a cancellation that comes together with the event, and
            # this would go on for ever.
            with suppress(TimeoutError):
                async with asyncio.timeout(jittered(self._every_s)):
                    await self._now.wait()

    async def last(self, *, within_s: float) -> None:
        """The farewell: wait until the shipper has acknowledged everything, then report.

        It waits for as long as the shipper makes progress, `within_s` at most, and reports `closed`
        only when nothing is left. When the outbox does not respond there is no farewell: that is
        logged, and the shutdown goes on.
        """
        try:
            drained = await self._drained(within_s)
            await self._sent(within_s)
            await self.beat(closed=drained)
        except PlatformError as error:
            _log.error("leaving without a farewell", error=str(error))

    async def beat(self, *, closed: bool) -> bool:
        """One report; whether it arrived.

        When the data API can't be reached, that is logged, and once only.
        """
        try:
            status = await self._recorder.status()
            gauge("outbox_acknowledged_sequence").set(status.acknowledged)
            gauge("outbox_bytes").set(status.bytes)
            report = ownership.report(
                status,
                versions=self._slots.versions(),
                closed=closed,
                incarnation=self._recorder.incarnation,
                previous=self._recorder.previous,
            )
            answer = await self._send(status.outbox_id, report)
            await self._heed(status.outbox_id, answer)
            if answer.resets > self._resets:
                await self._recorder.send_again(answer.resets)
                self._resets = answer.resets
            await self._report_former(status)
        except PlatformError as error:
            if str(error) != self._complaint:
                _log.warning("the outbox could not be reported", error=str(error))
            self._complaint = str(error)
        else:
            self._complaint = ""
        return not self._complaint

    async def _heed(self, outbox_id: str, answer: OutboxAnswer) -> None:
        """Take a new identity when this one is another's, or was further than it is here."""
        # Read anew: what was stored meanwhile may be known already.
        status = await self._recorder.status()
        if status.outbox_id != outbox_id:
            return
        if why := ownership.doubt(answer, status.accepted):
            await self._recorder.renew(why)
        elif self._owned != outbox_id:
            await self._recorder.confirm()
            self._owned = outbox_id

    async def _report_former(self, status: OutboxStatus) -> None:
        """Go on reporting the identities of before until all of theirs is sent, and say so."""
        for former in status.former:
            sent = former.acknowledged == former.accepted
            damaged = tuple(each for each in status.damaged if each.outbox_id == former.outbox_id)
            report = ownership.report(replace(former, damaged=damaged), versions={}, closed=sent)
            await self._send(former.outbox_id, report)
            if sent:
                await self._recorder.forget(former.outbox_id)

    async def _send(self, outbox_id: str, report: OutboxReport) -> OutboxAnswer:
        call = asyncio.to_thread(self._api.report_outbox, outbox_id, report)
        self._sending = asyncio.ensure_future(call)
        return await asyncio.shield(self._sending)

    async def _sent(self, within_s: float) -> None:
        """Wait for the report that was on its way when `run` was cancelled.

        Its thread goes on, and must not overtake the farewell: the outbox would stay open.
        """
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=within_s)

    async def _drained(self, within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        seen, moved = -1, loop.time()
        status = await self._recorder.status()
        while (left := _unsent(status)) and loop.time() < min(end, moved + _STALL_S):
            if left != seen:
                seen, moved = left, loop.time()
            await asyncio.sleep(_POLL_S)
            status = await self._recorder.status()
        return status.acknowledged == status.accepted


def _unsent(status: OutboxStatus) -> int:
    return sum(each.accepted - each.acknowledged for each in (status, *status.former))
