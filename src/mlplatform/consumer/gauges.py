"""How far the consumer is behind the queue, per partition, for /metrics."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from mlplatform.errors import Unavailable
from mlplatform.queue import Consumer
from mlplatform.telemetry import gauge, logger

_EVERY_S = 5.0


class LagGauges:
    """Sets `consumer_next_offset` and `consumer_lag_records`.

    Those of partitions that another member has now are removed.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._next: dict[int, int] = {}
        self._refreshed = float("-inf")

    def stored(self, next_offsets: Mapping[int, int]) -> None:
        """Note what the database holds now."""
        self._next |= next_offsets
        for partition, offset in next_offsets.items():
            gauge("consumer_next_offset").labels(str(partition)).set(offset)

    def leave(self, partitions: Collection[int]) -> None:
        """Note that others have these now."""
        for partition in self._next.keys() & set(partitions):
            del self._next[partition]
            gauge("consumer_next_offset").remove(str(partition))
            gauge("consumer_lag_records").remove(str(partition))

    def refresh(self) -> None:
        """Ask the queue for its ends, every few seconds."""
        if time.monotonic() - self._refreshed < _EVERY_S:
            return
        self._refreshed = time.monotonic()
        try:
            ends = self._consumer.end_offsets()
        except Unavailable as error:
            logger("consumer").warning("lag is unknown", error=str(error))
            return
        self.leave(self._next.keys() - ends.keys())
        for partition, end in ends.items():
            if partition in self._next:
                gauge("consumer_lag_records").labels(str(partition)).set(
                    end - self._next[partition]
                )
