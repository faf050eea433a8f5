"""The queue on Kafka.

A client is made at the first call and dropped after an error that it may not recover from; the next
call makes another. Offsets are the database's: the group only shares out partitions. A
partition that was just assigned is paused until the database was asked where to go on, so Kafka's
own committed offset is never used, and `auto_offset_reset` is "none": an offset outside the log is
an error.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import kafka
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata, TopicPartition

from mlplatform.errors import RecordsGone, Unavailable
from mlplatform.queue.aside import Aside
from mlplatform.queue.gap import check_position
from mlplatform.queue.interface import Bind, Positions, QueueRecord, bound_to_nothing
from mlplatform.queue.kafka_client import (
    CONNECT_MS,
    connect,
    connection,
    known_topic_id,
    request_bytes,
    require_same_topic,
    translated,
)
from mlplatform.settings import QueueSettings
from mlplatform.telemetry import logger

# A member that died is noticed after this time; heartbeats come every quarter of it.
_SESSION_MS = 10_000
# Above the longest transaction; a rebalance waits this long for a member that hangs.
_POLL_INTERVAL_MS = 60_000
# A join waits for the other members' next heartbeat and poll; a stop may have to wait for it.
_JOIN_MS = 5_000
_FETCH_BYTES = 16 * 1024 * 1024  # a batch of large records must not fill the memory

_CUT = (
    "a broker that lacked records became leader; see docs/concepts/queue.md, then "
    "`mlplatform queue reset`, which says what is given up"
)


class _Listener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Notes what a rebalance does; runs in the middle of it and may not block."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.hold(assigned)

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._consumer.forget(revoked)

    def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        self._consumer.forget(lost)


class KafkaConsumer:
    """A member of the group. See Consumer for what it promises."""

    def __init__(
        self,
        servers: list[str],
        settings: QueueSettings,
        *,
        positions: Positions,
        bind: Bind = bound_to_nothing,
    ) -> None:
        self._servers = servers
        self._settings = settings
        self._stored_positions, self._bind = positions, bind
        self._bound_id: str | None = None
        self._client: Any = None
        self._unplaced: set[TopicPartition] = set()
        self._aside = Aside()  # those of them that are stored elsewhere

    @property
    def assigned(self) -> frozenset[int]:
        """Partitions that this member reads now."""
        return (
            frozenset(tp.partition for tp in self._client.assignment())
            if self._client
            else frozenset()
        )

    def poll(self, *, timeout_s: float, max_records: int) -> Sequence[QueueRecord]:
        """The next records.

        See Consumer. A broker that went away after the connection looks like a topic without new
        records.
        """
        with self._translated("be read"):
            client = self._connected()
            self._join()
            waiting = sorted(tp for tp in self._unplaced if self._aside.due(tp.partition))
            firsts = client.beginning_offsets(waiting, timeout_ms=CONNECT_MS) if waiting else {}
            topic_id = known_topic_id(client, self._settings.topic)
        # Outside of _translated: a database that is away is no reason to leave the group.
        again, stored = self._positions_of(topic_id, firsts) if waiting else ((), {})
        with self._translated("be read"):
            self._place(waiting, stored, again)
            found = client.poll(timeout_ms=round(timeout_s * 1000), max_records=max_records)
            require_same_topic(client, self._settings.topic, self._bound_id)
        return [
            QueueRecord(r.partition, r.offset, r.key or b"", r.value or b"")
            for records in found.values()
            for r in records
        ]

    def keep_alive(self, timeout_s: float) -> None:
        """Poll with everything paused.

        Only a poll shows Kafka that this member works: without it the poll interval would end, or a
        rebalance would leave it out.
        """
        if self._client is None:
            time.sleep(timeout_s)
            return
        with self._translated("keep this member"):
            self._join()
            self._client.pause(*self._client.assignment())
            self._client.poll(timeout_ms=round(timeout_s * 1000))
            # Not those that the poll may just have brought: they stay paused until `poll` has their
            # positions, or the dummy one would be read from.
            self._client.resume(*(self._client.assignment() - self._unplaced))

    def seek(self, positions: Mapping[int, int]) -> None:
        """Read on from there."""
        with self._translated("be read"):
            self._go(
                {
                    tp: positions[tp.partition]
                    for tp in self._connected().assignment()
                    if tp.partition in positions
                }
            )

    def set_aside(self, partitions: Collection[int]) -> None:
        """Pause these; each poll asks for those that are due."""
        assigned = self._client.assignment() if self._client else ()
        for tp in assigned:
            if tp.partition in partitions:
                self._client.pause(tp)
                self._client.seek(tp, 0)  # drops what was fetched of it
                self._unplaced.add(tp)
        self._aside.add(partitions)

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Note in Kafka what is stored, without waiting for its answer."""
        if self._client is None or not next_offsets:
            return
        offsets = {
            TopicPartition(self._settings.topic, p): OffsetAndMetadata(offset, "", -1)
            for p, offset in next_offsets.items()
        }
        try:
            self._client.commit_async(offsets, callback=_note_failure)
        except kafka_errors.KafkaError as error:
            _note_failure(offsets, error)

    def end_offsets(self) -> Mapping[int, int]:
        """Offset that the next record of each assigned partition will get. Raises Unavailable."""
        with self._translated("report its offsets"):
            client = self._connected()
            ends = client.end_offsets(sorted(client.assignment()), timeout_ms=CONNECT_MS)
        return {tp.partition: int(offset) for tp, offset in ends.items()}

    def close(self) -> None:
        """Leave the group and drop the connection."""
        client, self._client = self._client, None
        self._unplaced.clear()
        self._aside = Aside()
        if client:
            try:
                client.close(autocommit=False, timeout_ms=CONNECT_MS)
            except kafka_errors.KafkaError as error:
                # The broker is away: the session runs out there by itself.
                logger("queue").warning("could not leave the group", error=str(error))

    def hold(self, assigned: set[TopicPartition]) -> None:
        """Called by the client: pause new partitions until `poll` has read their positions.

        They get a dummy position, so that Kafka's own isn't looked up. The database is not called
        here: a slow answer would hold up the rebalance of the whole group.
        """
        for tp in assigned:
            self._client.pause(tp)
            self._client.seek(tp, 0)
        self._unplaced |= assigned

    def forget(self, revoked: set[TopicPartition]) -> None:
        """Called by the client: these partitions are somebody else's now."""
        self._unplaced -= revoked
        self._aside.forget([tp.partition for tp in revoked])

    def _connected(self) -> Any:
        if self._client is None:
            size = request_bytes(self._settings)
            self._client = connect(
                kafka.KafkaConsumer,
                **connection(self._servers, self._settings),
                metrics_enabled=False,
                group_id=self._settings.group,
                enable_auto_commit=False,  # positions are the database's
                auto_offset_reset="none",  # a gap is an error, never skipped
                # Members keep what they have while others join or leave: no pause for everybody.
                partition_assignment_strategy=[CooperativeStickyAssignor],
                session_timeout_ms=_SESSION_MS,
                heartbeat_interval_ms=_SESSION_MS // 4,
                max_poll_interval_ms=_POLL_INTERVAL_MS,
                fetch_max_bytes=max(size, _FETCH_BYTES),
                max_partition_fetch_bytes=size,
                allow_auto_create_topics=False,
            )
            self._client.subscribe([self._settings.topic], listener=_Listener(self))
        return self._client

    def _place(
        self,
        waiting: Sequence[TopicPartition],
        stored: Mapping[int, int | None],
        again: Collection[int],
    ) -> None:
        """Begin to read those that have a position, and set the others aside."""
        at = {tp: stored.get(tp.partition, 0) for tp in waiting}
        self.set_aside([tp.partition for tp, position in at.items() if position is None])
        self._go({tp: position for tp, position in at.items() if position is not None}, again)

    def _positions_of(
        self, topic_id: str | None, firsts: Mapping[TopicPartition, int]
    ) -> tuple[Collection[int], Mapping[int, int | None]]:
        again = self._bind(topic_id, {tp.partition: first for tp, first in firsts.items()})
        self._bound_id = topic_id
        return again, self._stored_positions([tp.partition for tp in firsts])

    def _join(self) -> None:
        """Finish a join of the group that was begun, before anything is polled.

        When a poll's time ends in the middle of a join, kafka-python 3.0.12 forgets it: the member
        belongs to the group, has no partitions, sends no heartbeats, and stays so. Asking for a
        rejoin makes it wait for the open join or, if that has ended meanwhile, join again; and here
        it is given the time for it.
        """
        coordinator = self._client._coordinator  # noqa: SLF001  (no public way to see an open join)
        if coordinator._join_task is not None:  # noqa: SLF001
            coordinator.request_rejoin()
        if coordinator.need_rejoin():
            coordinator.poll(timeout_ms=_JOIN_MS)

    def _go(self, positions: Mapping[TopicPartition, int], again: Collection[int] = ()) -> None:
        if not positions:
            return
        firsts = self._client.beginning_offsets(list(positions), timeout_ms=CONNECT_MS)
        ends = self._client.end_offsets(list(positions), timeout_ms=CONNECT_MS)
        for tp, position in positions.items():
            check_position(tp.topic, tp.partition, position, firsts[tp], ends[tp])
            # Seek before resume: nothing may be fetched from the dummy position.
            back = 1 if tp.partition in again and position > firsts[tp] else 0
            self._client.seek(tp, position - back)
            self._client.resume(tp)
            self._unplaced.discard(tp)
        self._aside.forget([tp.partition for tp in positions])

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            with translated(what):
                try:
                    yield
                except kafka_errors.OffsetOutOfRangeError as error:
                    # Retention has overtaken a running consumer.
                    raise self._gone(error.args[0]) from error
                except kafka_errors.LogTruncationError as error:
                    raise RecordsGone(
                        f"the log of {self._settings.topic} was cut behind what was read: {error}",
                        fix=_CUT,
                    ) from error
        except Unavailable:
            self.close()
            raise

    def _gone(self, offsets: Mapping[TopicPartition, int]) -> RecordsGone:
        firsts = self._client.beginning_offsets(list(offsets), timeout_ms=CONNECT_MS)
        ends = self._client.end_offsets(list(offsets), timeout_ms=CONNECT_MS)
        for tp, offset in offsets.items():
            check_position(tp.topic, tp.partition, offset, firsts[tp], ends[tp])
        return RecordsGone(
            f"Kafka says that offsets {dict(offsets)} are outside of its log",
            fix="start the consumer again",
        )


def _note_failure(offsets: Any, result: Any) -> None:
    # A rebalance came between, or the broker is away: monitoring sees the next one.
    if isinstance(result, Exception):
        logger("queue").info("offsets not noted", offsets=str(offsets), error=str(result))
