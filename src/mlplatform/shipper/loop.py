"""The loop of the shipper: read a batch, send it, acknowledge it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlplatform.errors import TooLarge, Unavailable
from mlplatform.outbox import OutboxReader, OutboxRecord
from mlplatform.queue import Producer
from mlplatform.settings import Settings
from mlplatform.shipper.oversize import set_aside
from mlplatform.telemetry import counter, gauge, logger, turned

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = (
    5.0  # a broker that comes back is used within seconds, and one that is down isn't hammered
)
_BATCH_BYTES = 8 * 1024 * 1024
_STATUS_EVERY_S = 1.0


class ShipperLoop:
    """Ships until `stop` is set and then until the outbox is empty or `drain_s` has passed. One thread.

    `connect` opens the queue; one that is away at first is like one that goes away later.
    """

    def __init__(
        self,
        reader: OutboxReader,
        connect: Callable[[], Producer],
        settings: Settings,
        folder: Path,
        *,
        stop: threading.Event,
    ) -> None:
        self._reader = reader
        self._connect = connect
        self._producer: Producer | None = None
        self._shipper = settings.shipper
        self._largest = settings.queue.max_record_bytes
        self._folder = folder
        self._stop = stop
        self._deadline = float("inf")
        self._pause_s = _FIRST_PAUSE_S
        self._shown = float("-inf")
        self._log = logger("shipper")

    def run(self) -> None:
        """Until stopped and drained.

        Raises IntegrityFailure when a durable record can't be read.
        """
        while not self._over():
            turned()
            try:
                shipped = self.step()
                self._pause_s = _FIRST_PAUSE_S
            except Unavailable as error:
                self._back_off(error)
                continue
            if not shipped and self._stop.is_set():
                return
            if not shipped:
                self._stop.wait(self._shipper.idle_s)
        self._log.warning("stopped before the outbox was empty", **self._numbers())

    def step(self) -> int:
        """Ship one batch; returns how many records.

        Raises Unavailable: then all of it is read and sent again.
        """
        records = self._reader.read(self._shipper.batch_records, _BATCH_BYTES)
        if self._producer is None and (
            records or not self._stop.is_set()
        ):  # an end with nothing to send needs no queue
            self._producer = self._connect()
        if records:
            self._send(records)
            self._reader.acknowledge(records[-1].sequence)
            counter("shipper_records_total").inc(len(records))
        self._show()
        return len(records)

    def close(self) -> None:
        """Give up the connection to the queue. The reader is its owner's."""
        if self._producer is not None:
            self._producer.close()

    def _send(self, records: Sequence[OutboxRecord]) -> None:
        producer = self._producer
        assert producer is not None
        try:
            producer.send([(self._key(record), self._value(record)) for record in records])
        except TooLarge as error:  # the broker allows less than the settings say: find the record
            if len(records) > 1:
                for record in records:
                    self._send([record])
                return
            notice = self._set_aside(records[0], f"the queue refuses it: {error.message}")
            try:
                producer.send([(self._key(records[0]), notice)])
            except TooLarge as refusal:
                raise Unavailable(
                    f"the queue refuses even the notice that record {records[0].sequence} is too large: {refusal}"
                ) from refusal

    def _key(self, record: OutboxRecord) -> bytes:
        """Spreads records over partitions, and sends a record to the same one when it is sent again."""
        return f"{self._reader.outbox_id}/{record.sequence}".encode()

    def _value(self, record: OutboxRecord) -> bytes:
        if len(record.payload) <= self._largest:
            return record.payload
        return self._set_aside(
            record, f"{len(record.payload)} bytes are above the queue's limit of {self._largest}"
        )

    def _set_aside(self, record: OutboxRecord, reason: str) -> bytes:
        try:
            value = set_aside(self._folder, self._reader.outbox_id, record, reason)
        except OSError as error:
            raise Unavailable(
                f"record {record.sequence} can't be set aside: {error.strerror}"
            ) from error
        counter("shipper_dead_letters_total").labels("oversize").inc()
        self._log.error("record set aside", sequence=record.sequence, reason=reason)
        return value

    def _back_off(self, error: Unavailable) -> None:
        counter("shipper_failures_total").inc()
        self._log.warning("backing off", error=str(error), seconds=round(self._pause_s, 2))
        pause = self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not a secret)
        self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)
        if self._stop.is_set():  # wait() would return at once and hammer the queue
            time.sleep(min(pause, max(0.0, self._deadline - time.monotonic())))
        else:
            self._stop.wait(pause)

    def _over(self) -> bool:
        if self._stop.is_set() and self._deadline == float("inf"):
            self._deadline = time.monotonic() + self._shipper.drain_s
            self._log.info("draining", **self._numbers())
        return time.monotonic() >= self._deadline

    def _show(self) -> None:
        if time.monotonic() - self._shown >= _STATUS_EVERY_S:
            gauge("outbox_bytes").set(self._reader.status().bytes)
            self._shown = time.monotonic()

    def _numbers(self) -> dict[str, Any]:
        try:
            status = self._reader.status()
        except Unavailable as error:
            return {"error": str(error)}
        return {
            "accepted": status.accepted,
            "acknowledged": status.acknowledged,
            "waiting_bytes": status.bytes,
        }
