"""The queue for one machine: an SQLite file with topics that any number of processes share.

Members of a group share partitions by leases: each member owns every n-th partition, gives the
others back at its next poll, and is taken for dead when it has not polled for `_LEASE_S`. Leases
only spread the work: that a record is stored once is the database's doing, so a member that wakes
up after its lease has ended does no harm.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mlplatform.errors import Refused, Unavailable
from mlplatform.queue import embedded_retention
from mlplatform.queue.aside import Aside
from mlplatform.queue.gap import check_position
from mlplatform.queue.interface import Bind, Positions, QueueRecord, bound_to_nothing
from mlplatform.queue.record_size import check_sizes
from mlplatform.queue.sqlite import QueueFile
from mlplatform.settings import QueueSettings
from mlplatform.telemetry import logger

# A member that is quiet for longer is dead; above the longest transaction, below what a person
# would wait for.
_LEASE_S = 10.0
_RENEW_S = 1.0
_CHECK_S = 0.02  # how often a waiting poll checks whether somebody has written
_POLL_BYTES = 16 * 1024 * 1024  # a batch of large records must not fill the memory
_CLEAN_EVERY_S = 60.0


def make_topic(path: Path, settings: QueueSettings) -> None:
    """Make the topic if it is missing.

    One that exists keeps its partitions: a key must not move.
    """
    file = QueueFile(path)
    try:
        with file.writing() as connection:
            made = connection.execute(
                "INSERT INTO topics (topic, partitions, retention_s) VALUES (?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                (settings.topic, settings.partitions, settings.retention_h * 3600),
            ).rowcount
            identity = "REPLACE" if made else "IGNORE"  # files of earlier versions have none
            connection.execute(
                f"INSERT OR {identity} INTO identities VALUES (?, ?)",  # noqa: S608  (one of two)
                (settings.topic, str(uuid.uuid4())),
            )
            if made:
                heads = [(settings.topic, partition) for partition in range(settings.partitions)]
                connection.executemany("INSERT INTO heads (topic, partition) VALUES (?, ?)", heads)
    finally:
        file.close()


class EmbeddedProducer:
    """Writes batches, one transaction each."""

    def __init__(self, path: Path, settings: QueueSettings) -> None:
        make_topic(path, settings)
        self._file = QueueFile(path)
        self._settings = settings
        with self._file.reading() as connection:
            self._partitions = _partitions(connection, settings.topic)

    def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Put the messages, all or none; durable when it returns. See Producer."""
        check_sizes(messages, self._settings)
        topic, now = self._settings.topic, time.time()
        # Heads are read under the write lock, so offsets are without gaps and in commit order: a
        # reader never sees a record before one with a lower offset.
        with self._file.writing() as connection:
            heads = dict(
                connection.execute(
                    "SELECT partition, next_offset FROM heads WHERE topic = ?", (topic,)
                )
            )
            rows = []
            for key, value in messages:
                partition = zlib.crc32(key) % self._partitions
                rows.append((topic, partition, heads[partition], key, value, now))
                heads[partition] += 1
            connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "UPDATE heads SET next_offset = ? WHERE topic = ? AND partition = ?",
                [(head, topic, p) for p, head in heads.items()],
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class EmbeddedConsumer:
    """A member of the group. See Consumer for what it promises."""

    def __init__(
        self,
        path: Path,
        settings: QueueSettings,
        *,
        positions: Positions,
        bind: Bind = bound_to_nothing,
    ) -> None:
        make_topic(path, settings)
        self._file = QueueFile(path)
        self._topic, self._group = settings.topic, settings.group
        self._member = str(uuid.uuid4())
        self._stored_positions, self._bind = positions, bind
        self._assigned: frozenset[int] = frozenset()
        # Where to read next; a partition is missing until the database has given its position.
        self._positions: dict[int, int] = {}
        self._aside = Aside()
        self._renewed = self._cleaned = float("-inf")
        self._turn = 0

    @property
    def assigned(self) -> frozenset[int]:
        """Partitions that this member reads now."""
        return self._assigned

    def poll(self, *, timeout_s: float, max_records: int) -> Sequence[QueueRecord]:
        """The next records. See Consumer."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._renew()
            self._place()
            # The version before the fetch: what is written in between changes it and ends the wait.
            seen = self._file.version()
            found = self._fetch(max_records)
            if found or time.monotonic() >= deadline:
                return found
            # At most until the lease is due: a poll of any length keeps the membership.
            until = min(deadline, self._renewed + _RENEW_S)
            while self._file.version() == seen and time.monotonic() < until:
                time.sleep(max(0.0, min(_CHECK_S, deadline - time.monotonic())))

    def keep_alive(self, timeout_s: float) -> None:
        """Stay a member for so long."""
        deadline = time.monotonic() + timeout_s
        self._renew()
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _RENEW_S))
            self._renew()

    def _renew(self) -> None:
        """Renew the membership when it is due, and take or give back partitions."""
        if time.monotonic() - self._renewed < _RENEW_S:
            return
        with self._file.writing() as connection:
            self._assigned = self._share(connection)
        self._renewed = time.monotonic()
        self._positions = {
            partition: at
            for partition, at in self._positions.items()
            if partition in self._assigned
        }

    def set_aside(self, partitions: Collection[int]) -> None:
        """Read no more of these; each poll asks for those that are due."""
        for partition in partitions:
            self._positions.pop(partition, None)
        self._aside.add(partitions)

    def seek(self, positions: Mapping[int, int]) -> None:
        """Read on from there."""
        for partition, position in positions.items():
            if partition in self._assigned:
                self._check(partition, position)
                self._positions[partition] = position

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Note what is stored.

        Once a minute, and until none is left, stored records that are older than the retention are
        removed.
        """
        rows = [
            (self._topic, self._group, partition, offset)
            for partition, offset in next_offsets.items()
        ]
        try:
            self._note(rows)
        except Unavailable as error:
            logger("queue").warning("offsets not noted", error=str(error))

    def _note(self, rows: Sequence[tuple[str, str, int, int]]) -> None:
        with self._file.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)", rows)
            if (
                time.monotonic() - self._cleaned > _CLEAN_EVERY_S
                and embedded_retention.clean(connection, self._topic, self._group)
                < embedded_retention.AT_ONCE
            ):
                self._cleaned = time.monotonic()

    def end_offsets(self) -> Mapping[int, int]:
        """Offset that the next record of each assigned partition will get."""
        with self._file.reading() as connection:
            heads = dict(
                connection.execute(
                    "SELECT partition, next_offset FROM heads WHERE topic = ?", (self._topic,)
                )
            )
        return {partition: heads[partition] for partition in self._assigned}

    def close(self) -> None:
        """Leave the group and close the file; may be called twice."""
        if self._file.closed:
            return
        try:
            with self._file.writing() as connection:
                key = (self._topic, self._group, self._member)
                connection.execute(
                    "DELETE FROM leases WHERE topic = ? AND team = ? AND member = ?", key
                )
                connection.execute(
                    "DELETE FROM members WHERE topic = ? AND team = ? AND member = ?", key
                )
        finally:
            self._file.close()

    def _share(self, connection: sqlite3.Connection) -> frozenset[int]:
        """Renew this member's lease, and give back and take partitions.

        What another member holds is not taken: it gives that back at its own next poll. So no
        partition is read by two at a time.
        """
        key = (self._topic, self._group)
        members = self._members(connection)
        partitions = range(_partitions(connection, self._topic))
        mine = {p for p in partitions if members[p % len(members)] == self._member}
        query = "SELECT partition, member FROM leases WHERE topic = ? AND team = ?"
        leases = dict(connection.execute(query, key))
        released = {
            p
            for p, member in leases.items()
            if member not in members or (member == self._member and p not in mine)
        }
        free = mine - (leases.keys() - released)
        connection.executemany(
            "DELETE FROM leases WHERE topic = ? AND team = ? AND partition = ?",
            [(*key, p) for p in released],
        )
        taken = [(*key, p, self._member) for p in free]
        connection.executemany("INSERT INTO leases VALUES (?, ?, ?, ?)", taken)
        return frozenset(free | {p for p in mine if leases.get(p) == self._member})

    def _members(self, connection: sqlite3.Connection) -> list[str]:
        """The members that live, this one among them, in an order that all of them see."""
        key, now = (self._topic, self._group), time.time()
        connection.execute(
            "DELETE FROM members WHERE topic = ? AND team = ? AND expires_at < ?", (*key, now)
        )
        connection.execute(
            "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)",
            (*key, self._member, now + _LEASE_S),
        )
        query = "SELECT member FROM members WHERE topic = ? AND team = ? ORDER BY member"
        return [row[0] for row in connection.execute(query, key)]

    def _place(self) -> None:
        unplaced = sorted(filter(self._aside.due, self._assigned - self._positions.keys()))
        if not unplaced:
            return
        identity, firsts = self._topic_now(unplaced)
        again = self._bind(identity, firsts)
        found = self._stored_positions(unplaced)
        at = {partition: found.get(partition, 0) for partition in unplaced}
        self.set_aside([partition for partition, position in at.items() if position is None])
        positions = {part: position for part, position in at.items() if position is not None}
        self.seek(positions)
        for partition in positions.keys() & set(again):
            self._positions[partition] = max(firsts[partition], positions[partition] - 1)
        self._aside.forget(positions)

    def _topic_now(self, partitions: Sequence[int]) -> tuple[str, dict[int, int]]:
        """The topic's id, and the first kept offset of each of these partitions."""
        with self._file.reading() as connection:
            query = "SELECT id FROM identities WHERE topic = ?"
            identity = connection.execute(query, (self._topic,)).fetchone()[0]
            query = "SELECT partition, first_kept FROM heads WHERE topic = ?"
            firsts = dict(connection.execute(query, (self._topic,)))
        return identity, {partition: firsts[partition] for partition in partitions}

    def _check(self, partition: int, position: int) -> None:
        with self._file.reading() as connection:
            query = "SELECT first_kept, next_offset FROM heads WHERE topic = ? AND partition = ?"
            first, end = connection.execute(query, (self._topic, partition)).fetchone()
        check_position(self._topic, partition, position, first, end)

    def _fetch(self, max_records: int) -> list[QueueRecord]:
        found: list[QueueRecord] = []
        size = 0
        order = sorted(self._positions)
        # Another partition begins each time, so that a full one can't starve the others.
        self._turn += 1
        first = self._turn % max(1, len(order))
        order = order[first:] + order[:first]
        query = (
            "SELECT offset, key, value FROM messages "
            "WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?"
        )
        with self._file.reading() as connection:
            for partition in order:
                for offset, key, value in connection.execute(
                    query,
                    (self._topic, partition, self._positions[partition], max_records - len(found)),
                ):
                    found.append(QueueRecord(partition, offset, key, value))
                    self._positions[partition] = offset + 1
                    size += len(value)
                    if size >= _POLL_BYTES:
                        return found
        return found


def _partitions(connection: sqlite3.Connection, topic: str) -> int:
    row = connection.execute("SELECT partitions FROM topics WHERE topic = ?", (topic,)).fetchone()
    if row is None:
        raise Refused(
            f"the queue file has no topic {topic}",
            fix="was it removed under a running process? start the process again",
        )
    return int(row[0])
