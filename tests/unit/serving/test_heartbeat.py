"""The reports of an outbox, in order."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any, cast
from uuid import uuid4

import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.outbox_report import OutboxAnswer, OutboxReport
from mlplatform.outbox import OutboxStatus
from mlplatform.serving.heartbeat import Heartbeat
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slots


class Recorder:
    """An outbox of which everything is acknowledged."""

    incarnation, previous = str(uuid4()), None

    async def status(self) -> OutboxStatus:
        """Three accepted, three sent."""
        return OutboxStatus("outbox", 3, 3, 0)

    async def confirm(self) -> None:
        """Nothing to keep."""


class SlowApi:
    """Holds the first report until it is let go; `order` is how reports arrived."""

    def __init__(self) -> None:
        self.order: list[bool] = []
        self.begun, self.go_on, self.arrived = (threading.Event() for _ in range(3))

    def report_outbox(self, _: str, report: OutboxReport) -> OutboxAnswer:
        """Keep what arrived, after the wait of the first."""
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(10)
        self.order.append(report.closed)
        self.arrived.set()
        return OutboxAnswer(known=3)


def test_a_report_that_is_on_its_way_does_not_overtake_the_farewell() -> None:
    """Else the data API takes an outbox for open that said goodbye."""
    api = SlowApi()
    heartbeat = Heartbeat(
        cast("RequestRecorder", Recorder()), Slots([]), api=cast("DataApi", api), every_s=60
    )

    async def leave() -> None:
        running: asyncio.Task[Any] = asyncio.ensure_future(heartbeat.run())
        await asyncio.to_thread(api.begun.wait, 10)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        farewell = asyncio.ensure_future(heartbeat.last(within_s=10))
        await asyncio.wait([farewell], timeout=0.2)
        api.go_on.set()
        await farewell

    asyncio.run(leave())

    assert [False, True] == api.order


@pytest.mark.parametrize("turns", range(6))
def test_a_cancellation_ends_the_reports_whenever_it_comes(turns: int) -> None:
    """Also right after the event that the pause waits for: a shutdown would never end."""
    api = SlowApi()
    api.begun.set()  # nothing is slow here
    heartbeat = Heartbeat(
        cast("RequestRecorder", Recorder()), Slots([]), api=cast("DataApi", api), every_s=60
    )

    async def end() -> set[asyncio.Task[Any]]:
        running: asyncio.Task[Any] = asyncio.ensure_future(heartbeat.run())
        await asyncio.to_thread(api.arrived.wait, 10)
        await asyncio.sleep(0.05)  # it pauses by now
        heartbeat.soon()
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        ended, _ = await asyncio.wait([running], timeout=2)
        return ended

    assert 1 == len(asyncio.run(end()))
