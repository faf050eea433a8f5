"""The loop of the consumer: poll, decode, store, tell the queue.

A batch that was polled stays in memory until it is stored; while the database is away the loop
backs off and keeps its membership alive. After any error nothing has to be remembered: the next
assignment asks the database where to go on.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence

from mlplatform.consumer.dead_letters import DeadLetterGuard
from mlplatform.consumer.decode import REFUSED, dead_letter, entry
from mlplatform.consumer.gauges import LagGauges
from mlplatform.database.requests import DeadLetter, Entry, RequestStore, Stored
from mlplatform.errors import InvalidInput, PlatformError, Unavailable
from mlplatform.queue import Consumer, QueueRecord
from mlplatform.settings import ConsumerSettings
from mlplatform.telemetry import counter, histogram, logger, turned

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_ALIVE_S = 0.5  # how long a stop may wait for the pause to end
_MONTHS_AHEAD = 3
_PARTITIONS_EVERY_S = 3600.0


class ConsumerLoop:
    """Moves records until `stop` is set. One thread."""

    def __init__(
        self,
        consumer: Consumer,
        store: RequestStore,
        settings: ConsumerSettings,
        *,
        stop: threading.Event,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._settings = settings
        self._stop = stop
        self._log = logger("consumer")
        self._guard = DeadLetterGuard(settings.dead_letter_limit, self._dead_letters_before)
        self._gauges = LagGauges(consumer)
        self._holes: dict[int, int] = {}
        self._assigned: frozenset[int] = frozenset()
        self._pause_s = _FIRST_PAUSE_S
        self._partitions_made = float("-inf")

    def run(self) -> None:
        """Until stopped.

        Raises RecordsGone, or PlatformError when too many records in a row are bad.
        """
        while not self._stop.is_set():
            turned()
            try:
                self.step()
                self._pause_s = _FIRST_PAUSE_S
            except Unavailable as error:
                self._back_off(error)

    def step(self) -> int:
        """One poll and what follows from it; returns the number of polled records.

        Raises Unavailable, and what `run` raises.
        """
        self._make_partitions()
        records = self._consumer.poll(
            timeout_s=self._settings.poll_s, max_records=self._settings.batch_records
        )
        if self._consumer.assigned != self._assigned:
            self._assigned = self._consumer.assigned
            self._guard.forget()
            self._log.info("partitions assigned", partitions=sorted(self._assigned))
        if records:
            self._store_all(records)
        self._gauges.refresh()
        return len(records)

    def _store_all(self, records: Sequence[QueueRecord]) -> None:
        entries = [entry(record) for record in records]
        while not self._stop.is_set():
            turned()
            try:
                admitted, error = self._guard.admit(entries)
                if admitted:
                    self._keep(admitted, records)
                if error:
                    raise error
            except Unavailable as away:
                self._guard.forget()
                self._back_off(away)
            else:
                return

    def _keep(self, entries: Sequence[Entry], records: Sequence[QueueRecord]) -> bool:
        """Store; False when the batch is to be read again instead."""
        started = time.perf_counter()
        try:
            stored = self._store.store(entries, holes=self._holes)
        except InvalidInput as error:
            return self._keep_apart(entries, records, error)
        if stored.behind:
            self._read_again(stored.behind)
            return False
        histogram("consumer_commit_seconds").observe(time.perf_counter() - started)
        self._tell_holes(entries)
        self._count(stored)
        self._guard.stored(stored.kept)
        self._consumer.commit(stored.next_offsets)
        return True

    def _keep_apart(
        self, entries: Sequence[Entry], records: Sequence[QueueRecord], error: InvalidInput
    ) -> bool:
        """The database refuses something in here that decoding let pass: find it by halves; it becomes a dead letter, the others rows."""
        if len(entries) > 1:
            middle = len(entries) // 2
            return self._keep(entries[:middle], records) and self._keep(
                entries[middle:], records[middle:]
            )
        if isinstance(entries[0], DeadLetter):
            raise PlatformError(f"not even a dead letter could be stored: {error}") from error
        self._log.error(
            "the database refuses a record",
            partition=entries[0].partition,
            offset=entries[0].offset,
            error=str(error),
        )
        admitted, stop = self._guard.admit([dead_letter(records[0], REFUSED, str(error))])
        if stop:
            raise stop
        return self._keep(admitted, records)

    def _read_again(self, behind: Mapping[int, int]) -> None:
        """The database is behind what was read (it failed over and lost commits): go back.

        RecordsGone when the queue can't.
        """
        self._log.warning("the database is behind the queue, reading again", positions=dict(behind))
        self._consumer.seek(behind)
        self._holes = dict(
            behind
        )  # what is polled from here on begins there; if it begins later, the queue has no record there
        self._guard.forget()

    def _tell_holes(self, entries: Sequence[Entry]) -> None:
        for first in {one.partition: one for one in reversed(entries)}.values():
            hole = self._holes.get(first.partition, first.offset)
            if hole < first.offset:
                self._log.error(
                    "the queue holds no records here",
                    partition=first.partition,
                    first=hole,
                    last=first.offset - 1,
                )

    def _count(self, stored: Stored) -> None:
        self._holes = {
            partition: at
            for partition, at in self._holes.items()
            if partition not in stored.next_offsets
        }
        counter("consumer_records_total").inc(stored.rows)
        for letter in stored.dead_letters:
            counter("consumer_dead_letters_total").labels(letter.kind).inc()
            self._log.warning(
                "dead letter",
                partition=letter.partition,
                offset=letter.offset,
                kind=letter.kind,
                reason=letter.reason,
            )
        self._gauges.stored(stored.next_offsets)

    def _dead_letters_before(self, partition: int, offset: int) -> int:
        return self._store.dead_letters_in_a_row(
            partition, offset, limit=self._settings.dead_letter_limit
        )

    def _back_off(self, error: Unavailable) -> None:
        self._log.warning("backing off", error=str(error), seconds=round(self._pause_s, 2))
        end = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not a secret)
        self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)
        while (left := end - time.monotonic()) > 0 and not self._stop.is_set():
            try:
                self._consumer.keep_alive(min(left, _ALIVE_S))
            except (
                Unavailable
            ) as also:  # the queue is away too: poll will say so again, and wait for it here
                self._log.info("membership not renewed", error=str(also))
                self._stop.wait(min(left, _ALIVE_S))

    def _make_partitions(self) -> None:
        if time.monotonic() - self._partitions_made > _PARTITIONS_EVERY_S:
            self._store.make_partitions(_MONTHS_AHEAD)
            self._partitions_made = time.monotonic()
