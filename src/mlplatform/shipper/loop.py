"""The loop of the shipper: one batch of each outbox in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from mlplatform import loop
from mlplatform.errors import Unavailable
from mlplatform.outbox import OutboxStatus
from mlplatform.queue import Producer
from mlplatform.settings import ShipperSettings
from mlplatform.shipper.checkpoints import CheckpointWriter
from mlplatform.shipper.sender import OutboxShipper
from mlplatform.telemetry import counter, gauge, logger
from mlplatform.watchdog import turned

_STATUS_EVERY_S = 1.0
_AWAITED_IDLE_S = 0.002
"""Pause where answers wait for what is shipped: small beside the time that Kafka takes, for five
hundred cheap reads of a file per second."""
_AWAITED_BACKOFF = loop.Backoff(most_s=1.0)
"""There serving refuses requests until a queue that is back is noticed."""


class ShipperLoop:
    """Ships until `stop` is set, and then until all is empty or `drain_s` has passed.

    One thread, also for the outboxes of several workers: they share one connection to the queue,
    and a thread for each would share one processor. `outboxes` gives those that are there as of
    now. `connect` opens the queue; one that is away at first is like one that goes away later.
    `awaited`: answers of serving wait for what is shipped.
    """

    def __init__(
        self,
        outboxes: Callable[[], Sequence[OutboxShipper]],
        connect: Callable[[], Producer],
        settings: ShipperSettings,
        *,
        stop: threading.Event,
        awaited: bool = False,
        checkpoints: CheckpointWriter | None = None,
    ) -> None:
        self._checkpoints = checkpoints
        self._outboxes = outboxes
        self._connect = connect
        self._producer: Producer | None = None
        self._settings = settings
        self._stop = stop
        self._idle_s = min(settings.idle_s, _AWAITED_IDLE_S) if awaited else settings.idle_s
        self._backoff = _AWAITED_BACKOFF if awaited else loop.Backoff()
        self._shown = float("-inf")
        self._complaint = ""  # of an outbox that failed while others did not: logged once
        self._log = logger("shipper")

    def run(self) -> None:
        """Until stopped and drained."""
        self._work(self.step, self._stop)
        self._log.info("draining", **self._numbers())
        # In a pod serving has ended by now, so nothing comes in behind what is drained.
        over = loop.Deadline(self._settings.drain_s)
        empty = threading.Event()

        def drain() -> int:
            shipped = self.step()
            if not shipped:
                empty.set()
                over.set()
            return shipped

        self._work(drain, over)
        with suppress(Unavailable):
            self._write_checkpoints(self._outboxes(), last=True)
        if not empty.is_set():
            self._log.warning("stopped before the outbox was empty", **self._numbers())

    def _work(self, step: Callable[[], object], stop: threading.Event) -> None:
        loop.run(
            step,
            stop=stop,
            log=self._log,
            idle_s=self._idle_s,
            backoff=self._backoff,
            on_failure=lambda _: counter("shipper_failures_total").inc(),
        )

    def step(self) -> int:
        """Ship one batch of each; returns how many records.

        Raises Unavailable when nothing could be shipped: what failed is read and sent again.
        """
        outboxes = self._outboxes()
        if not self._stop.is_set():  # an end with nothing to send needs no queue
            self._connected()
        shipped, failures = 0, []
        for outbox in outboxes:
            try:
                shipped += outbox.ship(self._connected)
            except Unavailable as error:
                failures.append(error)
            if len(outboxes) > 1:
                turned()  # each may wait for the queue as long as a lone one
        self._write_checkpoints(outboxes)
        self._show(outboxes)
        if failures and not shipped:
            raise failures[0]
        self._complain(failures)
        return shipped

    def close(self) -> None:
        """Give up the connections to the queue. The outboxes are their owner's."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        if self._producer is not None:
            self._producer.close()

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = self._connect()
        return self._producer

    def _write_checkpoints(self, outboxes: Sequence[OutboxShipper], *, last: bool = False) -> None:
        if self._checkpoints is not None:
            self._checkpoints.write(outboxes, last=last)

    def _complain(self, failures: Sequence[Unavailable]) -> None:
        """Tell what fails while others go on: they must not wait for it."""
        found = "; ".join(map(str, failures))
        if failures:
            counter("shipper_failures_total").inc(len(failures))
        if found and found != self._complaint:
            self._log.warning("an outbox can't be shipped, others can", error=found)
        self._complaint = found

    def _show(self, outboxes: Sequence[OutboxShipper]) -> None:
        if time.monotonic() - self._shown >= _STATUS_EVERY_S:
            gauge("outbox_bytes").set(_total(outboxes).bytes)
            self._shown = time.monotonic()

    def _numbers(self) -> dict[str, Any]:
        try:
            total = _total(self._outboxes())
        except Unavailable as error:
            return {"error": str(error)}
        return {
            "accepted": total.accepted,
            "acknowledged": total.acknowledged,
            "waiting_bytes": total.bytes,
        }


def _total(outboxes: Sequence[OutboxShipper]) -> OutboxStatus:
    found = [outbox.status() for outbox in outboxes]
    return OutboxStatus(
        "",
        sum(each.accepted for each in found),
        sum(each.acknowledged for each in found),
        sum(each.bytes for each in found),
    )
