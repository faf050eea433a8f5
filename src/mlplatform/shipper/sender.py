"""Ships one outbox: read a batch, send it, acknowledge it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mlplatform.errors import TooLarge, Unavailable
from mlplatform.outbox import OutboxReader, OutboxRecord, OutboxStatus
from mlplatform.queue import Producer
from mlplatform.settings import Settings
from mlplatform.shipper.oversize import set_aside
from mlplatform.telemetry import counter, logger
from mlplatform.watchdog import turned

_BATCH_BYTES = 8 * 1024 * 1024  # what a batch may hold in memory, however large its records are


class OutboxShipper:
    """One outbox, used by one thread; closes its reader."""

    def __init__(self, reader: OutboxReader, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.last_sent: bytes | None = None  # the last record that the queue has acknowledged
        self._reader = reader
        self._batch_records = settings.shipper.batch_records
        self._largest = settings.queue.max_record_bytes
        self._log = logger("shipper")

    def ship(self, connected: Callable[[], Producer]) -> int:
        """Ship one batch; returns how many records.

        Raises Unavailable: then all of it is read and sent again.
        """
        records = self._reader.read(self._batch_records, _BATCH_BYTES)
        if records:
            self._send(connected(), records)
            # Only after the queue has all of them: a crash in between sends the batch again, which
            # the consumer's database notices, while the other order would lose it.
            self._reader.acknowledge(records[-1].sequence)
            self.last_sent = records[-1].payload
            counter("shipper_records_total").inc(len(records))
        return len(records)

    def status(self) -> OutboxStatus:
        """What it holds. Raises Unavailable."""
        return self._reader.status()

    def close(self) -> None:
        """Give the outbox back."""
        self._reader.close()

    def _send(self, producer: Producer, records: Sequence[OutboxRecord]) -> None:
        try:
            producer.send([(self._key(record), self._value(record)) for record in records])
        except TooLarge as error:
            # The broker allows less than the settings say. Kafka does not say which record it was,
            # so each is sent alone; those that were in the queue already come twice.
            if len(records) > 1:
                for record in records:
                    turned()
                    self._send(producer, [record])
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
            value = set_aside(self.folder, outbox_id, record, reason, number=number)
        except OSError as error:
            raise Unavailable(
                f"record {record.sequence} can't be set aside: {error.strerror}"
            ) from error
        counter("shipper_dead_letters_total").labels("oversize").inc()
        self._log.error("record set aside", sequence=record.sequence, reason=reason)
        return value
