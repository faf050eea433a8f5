"""Partitions of the queue are spread over the raw servers: a server that is new gets its share.

A thread compares and moves, one partition after the other. A move ends the partition on one server
and goes on with it on another, at the same offset; no row moves. Whatever breaks off half way is
finished by the next round, here or in another data API: the servers themselves say how far it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from mlplatform.contracts.shards import Held, Segment, current, spread
from mlplatform.dataapi import repeats
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.pools import Pools
from mlplatform.database import retention, shards
from mlplatform.database.ledger import Entry
from mlplatform.database.sessions import Connection
from mlplatform.errors import PlatformError, Unavailable
from mlplatform.loop import Deadline, jittered
from mlplatform.telemetry import logger

INTERVAL_S = 5.0
"""How long a new server waits for its share, and a partition for a move that broke off."""
_SHOWN_S = 10.0
_SHOWN_EVERY_S = 0.05
Partition = tuple[str, int]

_log = logger("shards")


class Moves:
    """A thread that spreads; `once` is one round of it. With one raw server it does nothing."""

    def __init__(self, pools: Pools, *, interval_s: float = INTERVAL_S) -> None:
        self._pools = pools
        self._interval_s = interval_s
        self._failing = ""
        self._twice: set[str] = set()
        self._ended = Event()
        self._thread = Thread(target=self._run, name="shards", daemon=True)

    def start(self) -> None:
        """Start to spread."""
        if self._pools.more_raw:
            self._thread.start()

    def stop(self) -> None:
        """End after the present round."""
        self._ended.set()
        if self._pools.more_raw:
            self._thread.join()

    def once(self) -> int:
        """Finish what was begun, move what should be elsewhere; returns the number of moves.

        Raises TryLater when a server is away; what was moved before stays.
        """
        with self._alone() as warehouse:
            if warehouse is None:
                return 0
            known = self._known()
            self._warn(known)
            moved = sum(self._finish(each, held) for each, held in known.items())
            known = self._known() if moved else known
            present = {each: found.shard for each in known if (found := current(known[each]))}
            for move in spread(present, tuple(self._pools.raws)):
                self._move((move.topic, move.partition), move.source, move.target)
                moved += 1
            self._record(warehouse)
        repeats.settle(self._pools.raws, self._pools.warehouse)
        return moved

    @contextmanager
    def _alone(self) -> Iterator[Connection | None]:
        """A transaction of the warehouse; None when another data API moves partitions now."""
        with self._pools.warehouse.transaction() as warehouse:
            yield warehouse if shards.lock_moves(warehouse) else None

    def _known(self) -> Mapping[Partition, Sequence[Held]]:
        """What each server knows of each partition. All must answer, and be who they should be."""
        found: dict[Partition, list[Held]] = {}
        for shard, pool in self._pools.raws.items():
            with pool.transaction() as raw:
                shards.require(raw, shard)
                for each, held in shards.held(raw, shard).items():
                    found.setdefault(each, []).append(held)
        return found

    def _warn(self, known: Mapping[Partition, Sequence[Held]]) -> None:
        """Say which server stores what has moved away: it came back from an older copy."""
        twice = {
            f"{topic}/{partition}: {one.shard} and {last.shard}"
            for (topic, partition), held in known.items()
            for last in [current(held)]
            for one in held
            if last is not None and one.moves < last.moves and not one.moved_to
        }
        if twice - self._twice:
            _log.error("two servers store a partition", partitions=sorted(twice))
        self._twice = twice

    def _finish(self, each: Partition, held: Sequence[Held]) -> int:
        """Have the other server take over what was handed over; 0 where there is nothing to do."""
        last = current(held)
        if last is None or not last.moved_to:
            return 0
        self._take_over(each, last.shard, last.moved_to, {})
        return 1

    def _move(self, each: Partition, source: str, target: str) -> None:
        topic, partition = each
        with self._pools.raws[source].transaction() as raw:
            # Before the partition is ended: reading all its rows takes a while.
            retention.allow_long(raw)
            end = shards.log_end(raw, topic, partition)
            horizon = shards.horizon(raw, topic, partition)
        with self._pools.raws[source].transaction() as raw:
            shards.hand_over(raw, topic, partition, target=target)
        self._take_over(each, source, target, horizon, since=end)

    def _take_over(
        self,
        each: Partition,
        source: str,
        target: str,
        horizon: Mapping[str, int],
        *,
        since: int = 0,
    ) -> None:
        topic, partition = each
        self._await_standby(each, source)
        with self._pools.raws[source].transaction() as raw:
            retention.allow_long(raw)
            place = shards.place(raw, topic, partition)
            newer = shards.horizon(raw, topic, partition, since=since)
        if place is None:
            raise Unavailable(f"{source} has not stored {topic}/{partition} up to its end yet")
        with self._pools.warehouse.transaction() as warehouse:
            above = shards.etl_place(warehouse, target, topic, partition)
        boxes = {*horizon, *newer}
        highest = {box: max(horizon.get(box, 0), newer.get(box, 0)) for box in boxes}
        with self._pools.raws[target].transaction() as raw:
            shards.take_over(raw, topic, partition, place, above=above, horizon=highest)
        facts = {"topic": topic, "partition": partition, "offset": place.next_offset}
        _log.info("partition moved", **facts, source=source, target=target)

    def _await_standby(self, each: Partition, source: str) -> None:
        """Wait until a standby shows that the partition has ended.

        Otherwise a failover right now could forget it, and two servers would store the partition.
        """
        deadline = Deadline(_SHOWN_S)
        while True:
            with self._pools.raw_replicas[source].read() as read:
                if shards.place(read.connection, *each) is not None:
                    return
            if deadline.wait(_SHOWN_EVERY_S) or self._ended.is_set():
                raise Unavailable(f"no standby of {source} shows that {each[0]}/{each[1]} ended")

    def _record(self, warehouse: Connection) -> None:
        """Write down the segments that are not recorded yet, and enter them in the ledger."""
        for (topic, partition), held in self._known().items():
            last = current(held)
            if last is None or last.moved_to or not last.moves:
                continue
            segment = Segment(topic, partition, last.begins_at, last.shard)
            if shards.add_segment(warehouse, segment, moves=last.moves):
                detail = {"partition": partition, "offset": last.begins_at, "shard": last.shard}
                AuditLog.enter(
                    warehouse, Entry(shards.CALLER, "move", f"queue.{topic}", detail=detail)
                )

    def _run(self) -> None:
        while not self._ended.wait(jittered(self._interval_s)):
            try:
                self.once()
            except PlatformError as error:
                self._note(str(error))
            else:
                self._failing = ""

    def _note(self, error: str) -> None:
        """A long outage is one line, not one a round."""
        if error != self._failing:
            _log.warning("partitions are not spread", error=error)
        self._failing = error
