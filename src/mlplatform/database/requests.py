"""Raw requests, written by the consumer of a raw server: records and the position behind them.

Both are one transaction. `raw.offsets.next_offset` is the one truth of how far a partition is
stored. Its row is locked for the whole transaction, so two members that both believe to own a
partition (one was slow, its lease is gone) store one after the other, and the second skips what it
finds done. Where there are several raw servers it also says whether this one stores the partition:
what was read past the end of its segment is left to the server that goes on there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from uuid import UUID

import psycopg

from mlplatform.contracts.dead_letters import LetterKind
from mlplatform.contracts.shards import FIRST
from mlplatform.database import shards, stored_ends
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.queries import load
from mlplatform.database.request_row import RequestRow, packed
from mlplatform.database.sessions import Connection, one_line
from mlplatform.database.stored_ends import StoredEnd
from mlplatform.errors import InvalidInput, RecordsGone, Refused

_OLD_QUEUE = "bring the old queue back; or `mlplatform queue reset`, which says what is given up"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that can't become a row, with all that could be read of it."""

    partition: int
    offset: int
    kind: LetterKind
    reason: str
    payload: bytes
    outbox_id: UUID | None = None
    sequence: int | None = None
    request_id: UUID | None = None
    pipeline: str | None = None

    @property
    def fingerprint(self) -> str:
        """What tells this record from every other one; the same as that of its row, if it can."""
        return str(self.request_id or sha256(self.payload).hexdigest())


Entry = RequestRow | DeadLetter


@dataclass(frozen=True, slots=True)
class Stored:
    """What a call of `store` did.

    `behind` is set instead of the rest when the database knows less than the queue assumed.
    """

    next_offsets: Mapping[int, int] = field(default_factory=dict)
    rows: int = 0  # new ones: a request that came twice counts once
    kept: Sequence[Entry] = ()  # those of the batch that were not stored before
    # next_offset in the database, for every partition of the batch
    behind: Mapping[int, int] = field(default_factory=dict)
    moved: Collection[int] = ()  # partitions that are to be read no further for this server

    @property
    def dead_letters(self) -> Sequence[DeadLetter]:
        """Those kept that are not rows."""
        return [entry for entry in self.kept if isinstance(entry, DeadLetter)]


class RequestStore:
    """Stores records of one topic.

    Blocks; every method raises Unavailable when the primary is away.
    """

    def __init__(self, pool: PrimaryPool, *, topic: str, shard: str = FIRST) -> None:
        self._pool = pool
        self._topic = topic
        self._shard = shard
        self._topic_id: str | None = None  # of the queue that is read, once it was bound
        self._sql = load("requests")

    def bind(self, topic_id: str | None, firsts: Mapping[int, int]) -> Collection[int]:
        """Note that these partitions are read from this topic; `firsts` is where each begins.

        Offsets that were stored without an id take it. After `mlplatform queue reset` the reading
        begins where the queue does. Returns the partitions whose last stored record is known, so
        that `store` can compare it. Raises RecordsGone when the stored offsets are of a topic with
        another id: its records are not the ones behind them, however many it has. Raises Refused
        when the database is another raw server than this store is for.
        """
        with self._pool.transaction() as connection:
            shards.require(connection, self._shard)
            found = connection.execute(
                self._sql["topic_ids"].encode(), {"topic": self._topic}
            ).fetchall()
            others = {stored for (stored,) in found if stored} - {topic_id}
            if topic_id and others:
                raise RecordsGone(
                    f"topic {self._topic} was made anew: its id is {topic_id}, "
                    f"the stored offsets are of {', '.join(sorted(others))}",
                    fix=_OLD_QUEUE,
                )
            values = {
                "topic": self._topic,
                "topic_id": topic_id,
                "partitions": list(firsts),
                "firsts": list(firsts.values()),
            }
            # From the first contact on: what was never read of a queue can be lost with it as well.
            # Every partition begins on the first server.
            if self._shard == FIRST:
                connection.execute(self._sql["begin_partitions"].encode(), values)
            bound = connection.execute(self._sql["bind"].encode(), values).fetchall()
        self._topic_id = topic_id
        return {partition for partition, last_is_known in bound if last_is_known}

    def positions(self, partitions: Sequence[int]) -> Mapping[int, int | None]:
        """Where to continue reading; None for what another server stores.

        The first server leaves out a partition that nothing was stored from.
        """
        elsewhere: dict[int, int | None] = {} if self._shard == FIRST else dict.fromkeys(partitions)
        with self._pool.transaction() as connection:
            found = connection.execute(
                self._sql["positions"].encode(),
                {"topic": self._topic, "partitions": list(partitions)},
            ).fetchall()
        return elsewhere | dict(found)

    def store(self, entries: Sequence[Entry], *, holes: Mapping[int, int]) -> Stored:
        """Store entries and positions, all or nothing.

        Entries of a partition must be in its order and without gaps. Entries that are stored
        already are skipped. A batch that begins above the stored position would leave records out:
        nothing is stored, and `behind` says where to read again (a failover of an asynchronous
        primary can set positions back). `holes` names positions (partition -> next_offset) from
        which the queue was read again: if it holds no record there, the jump is right. Raises
        InvalidInput when the database refuses a value of some entry, Refused when the queue was
        reset, or bound to another topic, since these entries were read, RecordsGone when the entry
        right before the stored position is another than the one stored; nothing is stored then.
        Entries behind the end of a segment are left out, and their partitions named in `moved`.
        """
        try:
            with self._pool.transaction() as connection:
                ends = self._lock(connection, sorted({entry.partition for entry in entries}))
                entries, moved = stored_ends.own(entries, ends)
                self._compare(entries, ends)
                if any(end.refused for end in ends.values()):
                    self._note(connection, None)  # this is the queue that was read before
                positions = {partition: end.next_offset for partition, end in ends.items()}
                behind = stored_ends.behind(entries, positions, holes)
                if behind:
                    return Stored(behind=behind, moved=moved)
                new = [entry for entry in entries if entry.offset >= positions[entry.partition]]
                came = any(end.came for end in ends.values())
                return replace(self._keep(connection, new, positions, came=came), moved=moved)
        except psycopg.IntegrityError as error:
            raise InvalidInput(f"the database refuses a record: {one_line(error)}") from error

    def dead_letters_in_a_row(self, partition: int, next_offset: int, *, limit: int) -> int:
        """How many records right before `next_offset` are dead letters; counts up to `limit`."""
        values = {
            "topic": self._topic,
            "partition": partition,
            "next_offset": next_offset,
            "limit": limit,
        }
        with self._pool.transaction() as connection:
            row = connection.execute(self._sql["dead_letters_in_a_row"].encode(), values).fetchone()
        return int(row[0]) if row else 0

    def make_partitions(self, months: int) -> None:
        """Make the monthly partitions of raw.requests for this month and so many more."""
        with self._pool.transaction() as connection:
            connection.execute(self._sql["make_partitions"].encode(), {"months": months})

    def note_refusal(self, why: str) -> int:
        """Keep why nothing more is read from the topic, for people to see; returns `resets`.

        It is cleared by a reset, and when the queue that was read before is read again.
        """
        with self._pool.transaction() as connection:
            self._note(connection, why)
        return self.resets()

    def resets(self) -> int:
        """How often the offsets of the topic were given up."""
        with self._pool.transaction() as connection:
            row = connection.execute(
                self._sql["resets"].encode(), {"topic": self._topic}
            ).fetchone()
        return int(row[0]) if row else 0

    def _note(self, connection: Connection, why: str | None) -> None:
        values = {"topic": self._topic, "why": why}
        connection.execute(self._sql["note_refusal"].encode(), values)

    def _compare(self, entries: Sequence[Entry], ends: Mapping[int, StoredEnd]) -> None:
        """Raise RecordsGone when the queue holds another record where the stored ones end."""
        for entry in entries:
            end = ends[entry.partition]
            if entry.offset == end.next_offset - 1 and end.last not in (None, entry.fingerprint):
                raise RecordsGone(
                    f"{self._topic}/{entry.partition} holds another record at offset "
                    f"{entry.offset} than was stored from there: the queue came back from an older "
                    "copy, or lost its end, and has grown again",
                    fix=_OLD_QUEUE,
                )

    def _lock(self, connection: Connection, partitions: Sequence[int]) -> dict[int, StoredEnd]:
        values = {
            "topic": self._topic,
            "topic_id": self._topic_id,
            "partitions": list(partitions),
        }
        found = connection.execute(self._sql["lock_positions"].encode(), values).fetchall()
        if len(found) < len(partitions) and self._shard == FIRST:
            connection.execute(self._sql["begin_partitions"].encode(), values)
            found = connection.execute(self._sql["lock_positions"].encode(), values).fetchall()
        if any(foreign for _, _, foreign, *_ in found):
            raise Refused(
                f"the offsets of topic {self._topic} were reset while this consumer read it",
                fix="start it again: it goes on where the queue begins",
            )
        return {partition: StoredEnd(at, *more) for partition, at, _, *more in found}

    def _keep(
        self,
        connection: Connection,
        entries: Sequence[Entry],
        positions: dict[int, int],
        *,
        came: bool,
    ) -> Stored:
        rows = [entry for entry in entries if isinstance(entry, RequestRow)]
        letters = [entry for entry in entries if isinstance(entry, DeadLetter)]
        new = insert_rows(connection, self._topic, rows, came=came) if rows else 0
        if letters:
            with connection.cursor() as cursor:
                cursor.executemany(
                    self._sql["keep_dead_letter"].encode(),
                    [{"topic": self._topic, **asdict(letter)} for letter in letters],
                )
        moved = self._move(connection, {entry.partition: entry for entry in entries})
        return Stored(next_offsets=positions | moved, rows=new, kept=entries)

    def _move(self, connection: Connection, lasts: Mapping[int, Entry]) -> dict[int, int]:
        moved = {partition: last.offset + 1 for partition, last in sorted(lasts.items())}
        if moved:
            values = [
                {
                    "topic": self._topic,
                    "partition": partition,
                    "next_offset": at,
                    "last_record": lasts[partition].fingerprint,
                }
                for partition, at in moved.items()
            ]
            with connection.cursor() as cursor:
                cursor.executemany(self._sql["move_position"].encode(), values)
        return moved


def insert_rows(
    connection: Connection, topic: str, rows: Sequence[RequestRow], *, came: bool = False
) -> int:
    """Add rows of a topic whose position the caller holds; returns how many are new.

    A request that is there already stays as it is. `came`: some partitions came from another
    server; requests that lie there are put aside.

    Nearly always all are new, and COPY straight into the table takes two thirds of the detour's
    time. The first and the last one of a batch are looked up before it: then the server's log need
    not tell of a refusal whenever a batch is read again.
    """
    sql = load("requests")
    ids = [rows[0].request_id, rows[-1].request_id]
    values = {"topic": topic, "partitions": list({row.partition for row in rows}), "ids": ids}
    found = connection.execute(sql["shifts"].encode(), values).fetchall()
    shifts = {partition: shift for partition, shift, _ in found}
    if not came and not any(known for _, _, known in found):
        try:
            with connection.transaction():  # a savepoint
                _copy(connection, sql["copy_requests"], packed(rows, topic, shifts))
                return len(rows)
        except psycopg.errors.UniqueViolation:
            pass
    return _merge(connection, packed(rows, topic, shifts), came=came)


def _merge(connection: Connection, parts: Iterable[bytes], *, came: bool) -> int:
    sql = load("requests")
    connection.execute(sql["make_incoming"].encode())
    _copy(connection, sql["copy_incoming"], parts)
    if came:
        connection.execute(sql["keep_repeated"].encode())
    return connection.execute(sql["keep_incoming"].encode()).rowcount


def _copy(connection: Connection, statement: str, parts: Iterable[bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for part in parts:
            copy.write(part)
