"""The end of the queue on Kafka that the shipper holds.

A client is made at the first call and dropped after an error that it may not recover from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import kafka
from kafka import errors as kafka_errors

from mlplatform.errors import TooLarge, Unavailable
from mlplatform.queue.kafka_client import (
    REQUEST_MS,
    connect,
    connection,
    request_bytes,
    translated,
)
from mlplatform.queue.record_size import check_sizes
from mlplatform.settings import QueueSettings

# How long a send may take, retries included, before the shipper backs off.
_DELIVERY_MS = 15_000


class KafkaProducer:
    """Sends batches with acks=all; idempotent, so that its own retries make no duplicates."""

    def __init__(self, servers: list[str], settings: QueueSettings) -> None:
        self._servers = servers
        self._settings = settings
        self._client: Any = None

    def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Send, and wait until all are acknowledged. See Producer."""
        check_sizes(messages, self._settings)
        try:
            with translated("take the records"):
                self._send(messages)
        except (Unavailable, TooLarge):
            # What is still in its buffer must not arrive behind what the next try sends; and an
            # idempotent client refuses everything after a record that the broker refused.
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection. What was sent and not acknowledged may have arrived or not."""
        client, self._client = self._client, None
        if client:
            # Without waiting: what is still buffered is sent again by the next client. A flush that
            # times out says nothing new.
            with contextlib.suppress(kafka_errors.KafkaError):
                client.close(timeout=0)

    def _send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        client = self._client = self._client or self._connect()
        try:
            futures = [
                client.send(self._settings.topic, value=value, key=key) for key, value in messages
            ]
            # After the flush each future has its result. One that failed raises here, whichever it
            # was: the batch counts as sent only as a whole.
            client.flush(timeout=_DELIVERY_MS / 1000)
            for future in futures:
                future.get(timeout=0)
        except (
            kafka_errors.MessageSizeTooLargeError,
            kafka_errors.RecordListTooLargeError,
        ) as error:
            raise TooLarge(
                f"Kafka refuses a record for its size: {error}",
                fix="raise max.message.bytes of the topic, or lower max_record_bytes",
            ) from error

    def _connect(self) -> Any:
        return connect(
            kafka.KafkaProducer,
            **connection(self._servers, self._settings),
            metrics_enabled=False,
            acks="all",  # every replica in sync has it: a leader may die at once
            enable_idempotence=True,
            delivery_timeout_ms=_DELIVERY_MS,
            max_block_ms=REQUEST_MS,
            # The shipper hands over a batch at once and waits for all of it: a longer linger would
            # only add to that wait. Large batches cost the Python client far less a record.
            linger_ms=2,
            batch_size=128 * 1024,
            max_request_size=request_bytes(self._settings),
            allow_auto_create_topics=False,
        )
