"""The loop of the shipper: read a batch, send it, acknowledge it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlplatform import loop
from mlplatform.errors import TooLarge, Unavailable
from mlplatform.outbox import OutboxReader, OutboxRecord
from mlplatform.queue import Producer
from mlplatform.settings import Settings
from mlplatform.shipper.oversize import set_aside
from mlplatform.telemetry import counter, gauge, logger
from mlplatform.watchdog import turned

_BATCH_BYTES = 8 * 1024 * 1024  # what a batch may hold in memory, however large its records are
_STATUS_EVERY_S = 1.0


class ShipperLoop:
    """Ships until `stop` is set, and then until the outbox is empty or `drain_s` has passed.

    One thread. `connect` opens the queue; one that is away at first is like one that goes away
    later.
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
        self._settings = settings.shipper
        self._largest = settings.queue.max_record_bytes
        self._folder = folder
        self._stop = stop
        self._shown = float("-inf")
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
        if not empty.is_set():
            self._log.warning("stopped before the outbox was empty", **self._numbers())

    def _work(self, step: Callable[[], object], stop: threading.Event) -> None:
        loop.run(
            step,
            stop=stop,
            log=self._log,
            idle_s=self._settings.idle_s,
            on_failure=lambda _: counter("shipper_failures_total").inc(),
        )

    def step(self) -> int:
        """Ship one batch; returns how many records.

        Raises Unavailable: then all of it is read and sent again.
        """
        records = self._reader.read(self._settings.batch_records, _BATCH_BYTES)
        # An end with nothing to send needs no queue.
        if self._producer is None and (records or not self._stop.is_set()):
            self._producer = self._connect()
        if records:
            self._send(records)
            # Only after the queue has all of them: a crash in between sends the batch again, which
            # the consumer's database notices, while the other order would lose it.
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
        except TooLarge as error:
            # The broker allows less than the settings say. Kafka does not say which record it was,
            # so each is sent alone; those that were in the queue already come twice.
            if len(records) > 1:
                for record in records:
                    turned()
                    self._send([record])
                return
            notice = self._set_aside(records[0], f"the queue refuses it: {error.message}")
            try:
                producer.send([(self._key(records[0]), notice)])
            except TooLarge as refusal:
                raise Unavailable(
                    f"the queue refuses even the notice that record {records[0].sequence} "
                    f"is too large: {refusal}"
                ) from refusal

    def _key(self, record: OutboxRecord) -> bytes:
        """A key that spreads records over partitions.

        The same record has the same key, so that it goes to the same partition when it comes again.
        """
        return f"{self._reader.outbox_id}/{record.sequence}".encode()

    def _value(self, record: OutboxRecord) -> bytes:
        if len(record.payload) <= self._largest:
            return record.payload
        return self._set_aside(
            record, f"{len(record.payload)} bytes are above the queue's limit of {self._largest}"
        )

    def _set_aside(self, record: OutboxRecord, reason: str) -> bytes:
        try:
            outbox_id, number = self._reader.name(record.sequence)
            value = set_aside(self._folder, outbox_id, record, reason, number=number)
        except OSError as error:
            raise Unavailable(
                f"record {record.sequence} can't be set aside: {error.strerror}"
            ) from error
        counter("shipper_dead_letters_total").labels("oversize").inc()
        self._log.error("record set aside", sequence=record.sequence, reason=reason)
        return value

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
