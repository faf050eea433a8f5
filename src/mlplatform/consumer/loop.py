"""The loop of the consumer: poll, decode, store, commit.

A batch that was polled stays in memory until it is stored; while the database is away the loop
backs off and keeps its membership alive. After any error nothing has to be remembered: the next
assignment asks the database where to go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence

from mlplatform import loop
from mlplatform.consumer.dead_letters import DeadLetterGuard
from mlplatform.consumer.decode import dead_letter, entry
from mlplatform.consumer.gauges import LagGauges
from mlplatform.database.queue_entries import REFUSED
from mlplatform.database.requests import DeadLetter, Entry, RequestStore, Stored
from mlplatform.errors import InvalidInput, PlatformError, Unavailable
from mlplatform.queue import Consumer, QueueRecord
from mlplatform.settings import ConsumerSettings
from mlplatform.telemetry import counter, histogram, logger
from mlplatform.watchdog import turned

_ALIVE_S = 0.5  # how long a stop may wait for the pause to end
_MONTHS_AHEAD = 3
# Months ahead are made every hour: a consumer that could not for weeks still has where to store.
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
        # Where reading began again after a failover, per partition, until something from there is
        # stored: a jump right behind such a position is a hole in the queue, not one of ours.
        self._holes: dict[int, int] = {}
        self._assigned: frozenset[int] = frozenset()
        self._partitions_made = float("-inf")

    def run(self) -> None:
        """Until stopped.

        Raises RecordsGone, or PlatformError when too many records in a row are bad.
        """
        loop.run(self.step, stop=self._stop, log=self._log, on_pause=self._stay_member)

    def step(self) -> int:
        """One poll and what follows from it; returns the number of polled records.

        Raises Unavailable, and what `run` raises.
        """
        self._make_partitions()
        records = self._consumer.poll(
            timeout_s=self._settings.poll_s, max_records=self._settings.batch_records
        )
        if self._consumer.assigned != self._assigned:
            # Another member may have stored in these partitions meanwhile: what was counted of them
            # is out of date.
            self._assigned = self._consumer.assigned
            self._guard.forget()
            self._log.info("partitions assigned", partitions=sorted(self._assigned))
        if records:
            self._store_all(records)
        self._gauges.refresh()
        return len(records)

    def _store_all(self, records: Sequence[QueueRecord]) -> None:
        """Store the batch, however long the database is away; not at all when stopped before.

        The queue does not hand these records out again while this member lives, so the batch must
        not be dropped for a failure. It is safe to repeat: what is stored already is skipped.
        """
        entries = [entry(record) for record in records]

        def store() -> None:
            admitted, too_many = self._guard.admit(entries)
            if admitted:
                self._keep(admitted, records)
            if too_many:  # only now: the good records in front of the bad ones are stored first
                raise too_many

        loop.attempt(
            store,
            stop=self._stop,
            log=self._log,
            # The failure may have hit before or after the commit, so the counts are read anew.
            on_failure=lambda _: self._guard.forget(),
            on_pause=self._stay_member,
        )

    def _keep(self, entries: Sequence[Entry], records: Sequence[QueueRecord]) -> bool:
        """Store; False when the batch is to be read again instead."""
        turned()  # a batch that the database refuses is stored in many parts
        started = time.perf_counter()
        try:
            stored = self._store.store(entries, holes=self._holes)
        except InvalidInput as error:
            return self._keep_apart(entries, records, error)
        if stored.moved:
            self._leave(stored.moved)
        if stored.behind:
            self._read_again(stored.behind)
            return False
        histogram("consumer_commit_seconds").observe(time.perf_counter() - started)
        self._log_holes(entries)
        self._count(stored)
        self._guard.stored(stored.kept)
        # Last: the queue may remove what was committed to it, so the database must have it before.
        self._consumer.commit(stored.next_offsets)
        return True

    def _keep_apart(
        self, entries: Sequence[Entry], records: Sequence[QueueRecord], error: InvalidInput
    ) -> bool:
        """Store by halves a batch of which the database refuses something that decoding let pass.

        The record at fault becomes a dead letter, the others become rows.
        """
        if len(entries) > 1:
            middle = len(entries) // 2
            # The first half first: positions only move forward. If it is to be read again, so is
            # everything behind it.
            return self._keep(entries[:middle], records) and self._keep(
                entries[middle:], records[middle:]
            )
        refused = entries[0]
        if isinstance(refused, DeadLetter):
            raise PlatformError(f"not even a dead letter could be stored: {error}") from error
        at = {"partition": refused.partition, "offset": refused.offset}
        self._log.error("the database refuses a record", **at, error=str(error))
        admitted, too_many = self._guard.admit([dead_letter(records[0], REFUSED, str(error))])
        if too_many:
            raise too_many
        return self._keep(admitted, records)

    def _read_again(self, behind: Mapping[int, int]) -> None:
        """The database is behind what was read (it failed over and lost commits): go back.

        RecordsGone when the queue can't.
        """
        self._log.warning("the database is behind the queue, reading again", positions=dict(behind))
        self._consumer.seek(behind)
        # What is polled from here on begins at these positions. If it begins later, the queue has
        # no record there, and the jump must not send us back once more, for ever.
        self._holes = dict(behind)
        self._guard.forget()

    def _leave(self, partitions: Collection[int]) -> None:
        """Another raw server goes on with these: its consumer reads what was left out here."""
        self._log.info("partitions go on elsewhere", partitions=sorted(partitions))
        self._consumer.set_aside(partitions)
        self._gauges.leave(partitions)
        for partition in partitions:
            self._holes.pop(partition, None)
        self._guard.forget()

    def _log_holes(self, entries: Sequence[Entry]) -> None:
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
        for partition in stored.next_offsets:
            self._holes.pop(partition, None)
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

    def _stay_member(self, seconds: float) -> None:
        """Spend a pause in short pieces: each keeps the membership, and sees a stop soon.

        A member that only slept would be taken as dead, and its partitions would change hands with
        every outage of the database.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stop.is_set():
            try:
                self._consumer.keep_alive(min(left, _ALIVE_S))
            except Unavailable as error:
                # The queue is away too. The next poll will raise that again; here it is waited for.
                self._log.info("membership not renewed", error=str(error))
                self._stop.wait(min(left, _ALIVE_S))

    def _make_partitions(self) -> None:
        if time.monotonic() - self._partitions_made > _PARTITIONS_EVERY_S:
            self._store.make_partitions(_MONTHS_AHEAD)
            self._partitions_made = time.monotonic()
