"""What shipper and consumer may assume of a queue.

Three numbers per partition, all of them "next", never "last":
    position   where this consumer reads next. In memory; set by `seek`, and on assignment from the
               database.
    stored     `raw.offsets.next_offset` in the database, the truth. The queue doesn't know it; it
               calls `positions` for it.
    committed  what `commit` noted in the queue, for monitoring and for the embedded queue's
               clean-up. Never read back.

A record is delivered at least once: after a crash, a rebalance or a `seek` it comes again, in the
order of its partition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Positions = Callable[[Sequence[int]], Mapping[int, int | None]]
"""Given partitions, where to read next in each; a partition that is left out is read from offset 0.

None: not to be read here now; it is asked for again every AGAIN_S. May raise Unavailable.
"""
AGAIN_S = 1.0
"""A question to the database each time. A partition that comes over stands still for so long."""

Bind = Callable[[str | None, Mapping[int, int]], Collection[int]]
"""Told before `Positions` is asked: the topic's own id (None: the broker tells none), and for each
partition the first offset that the queue still holds.

Returns the partitions whose record in front of the position is to come again, if the queue still
holds it: the caller compares it with the one that it stored. Raises RecordsGone when what is stored
came from a topic of another id. May raise Unavailable.
"""


def bound_to_nothing(_topic_id: str | None, _firsts: Mapping[int, int]) -> Collection[int]:
    """The `Bind` of a reader that keeps no offsets."""
    return ()


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """One record as it lies in its partition."""

    partition: int
    offset: int
    key: bytes
    value: bytes


class Producer(Protocol):
    """Puts records into the topic. One thread."""

    def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Put (key, value) pairs; equal keys go to one partition, in order.

        Blocks until all are durable. Raises Unavailable when that is not certain: some may be in
        the queue, and all may be sent again. Raises TooLarge when the queue refuses a record for
        its size; none of the others is certain then either.
        """

    def close(self) -> None:
        """Give up the connection."""


class Consumer(Protocol):
    """One member of the group that shares the topic's partitions.

    One thread at a time, and it polls without long pauses. For a partition that is newly assigned
    `poll` calls `bind` and `positions`, and reads on from there. Positions that the queue no longer
    holds, or does not hold yet, raise RecordsGone: nothing is skipped silently, and nothing is read
    until a person has decided.
    """

    @property
    def assigned(self) -> frozenset[int]:
        """Partitions that this member reads now."""

    def poll(self, *, timeout_s: float, max_records: int) -> Sequence[QueueRecord]:
        """The next records of any assigned partitions, in order within each.

        Empty after `timeout_s` without any. Raises Unavailable when the queue is away or when
        `positions` raised it; the next poll tries again. RecordsGone: see above.
        """

    def keep_alive(self, timeout_s: float) -> None:
        """Stay a member without reading, for `timeout_s` seconds.

        To be called instead of sleeping while what was polled can't be stored.
        """

    def seek(self, positions: Mapping[int, int]) -> None:
        """Read these partitions from there on, as far as they are assigned.

        For a database that has lost its last commits.
        """

    def set_aside(self, partitions: Collection[int]) -> None:
        """Read no more of these for now; `positions` is asked for them again every AGAIN_S."""

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Note in the queue what is stored. For monitoring: a failure is logged and forgotten."""

    def end_offsets(self) -> Mapping[int, int]:
        """Per assigned partition the offset that the next record will get. Raises Unavailable."""

    def close(self) -> None:
        """Leave the group at once, so that others take the partitions over."""
