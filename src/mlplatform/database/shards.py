"""Several raw servers: which one a database is, and partitions of the queue that change servers.

A partition is stored by the server whose row of raw.offsets has no `ends_at`. It moves in two
steps, each one transaction of one server: `hand_over` ends it, `take_over` goes on elsewhere at the
very offset. In between nobody stores it, and nothing is lost: the queue keeps the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.shards import FIRST, ID_BLOCK, Held, Segment, number
from mlplatform.database import queries
from mlplatform.database.sessions import Connection
from mlplatform.errors import Refused, Unavailable

SQL = queries.load("shards")
CALLER = "mlplatform"
"""Who moves partitions, and decides about letters that have come again."""


@dataclass(frozen=True)
class Place:
    """Where a server ended with a partition, and what it knows of its last record."""

    next_offset: int
    moves: int
    topic_id: str | None
    last_offset: int | None
    last_record: str | None


def require(raw: Connection, shard: str) -> None:
    """Raise Refused when this database is another raw server, Unavailable before its migration.

    One that was never told its name is the first.
    """
    try:
        row = raw.execute(SQL["name"]).fetchone()
    except psycopg.errors.UndefinedTable as error:
        raise Unavailable(f"{shard}: the database has no schema yet", retry_after_s=5.0) from error
    found = FIRST if row is None else str(row[0])
    if found != shard:
        raise Refused(
            f"the database is the raw server '{found}', and '{shard}' was expected at this address",
            fix="give the raw servers' addresses in the order in which they were added",
        )


def name(raw: Connection, shard: str) -> None:
    """Tell a raw database which server it is, when it does not know. Its owner runs it.

    Raises Refused when it is another one.
    """
    if raw.execute(SQL["set_name"], {"name": shard}).rowcount:
        raw.execute(
            sql.SQL(SQL["begin_ids"].rstrip(";")).format(
                first=sql.Literal((number(shard) - 1) * ID_BLOCK + 1)
            )
        )
    require(raw, shard)


def held(raw: Connection, shard: str) -> dict[tuple[str, int], Held]:
    """What this server knows of the queue's partitions, by (topic, partition)."""
    found = raw.execute(SQL["held"]).fetchall()
    return {(topic, part): Held(shard, *facts) for topic, part, *facts in found}


def horizon(raw: Connection, topic: str, partition: int, *, since: int = 0) -> dict[str, int]:
    """Outbox -> its highest number in a partition, of what was stored from a log_offset on.

    Reads the partition's rows.
    """
    values = {"topic": topic, "partition": partition, "since": since}
    return dict(raw.execute(SQL["horizon"], values).fetchall())


def log_end(raw: Connection, topic: str, partition: int) -> int:
    """The log_offset of the next row of a partition."""
    row = raw.execute(SQL["log_end"], {"topic": topic, "partition": partition}).fetchone()
    return 0 if row is None else int(row[0])


def hand_over(raw: Connection, topic: str, partition: int, *, target: str) -> None:
    """Store no more of a partition here. The same again changes nothing.

    Raises Unavailable while a reset waits for the consumer.
    """
    try:
        raw.execute(SQL["hand_over"], {"topic": topic, "partition": partition, "target": target})
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise Unavailable(
            f"partition {partition} of {topic} can't move before the consumer has read from it",
            retry_after_s=5.0,
        ) from error


def place(raw: Connection, topic: str, partition: int) -> Place | None:
    """Where a partition ended; None while this server stores it, or does not know it."""
    with raw.cursor(row_factory=class_row(Place)) as cursor:
        return cursor.execute(SQL["place"], {"topic": topic, "partition": partition}).fetchone()


def take_over(
    raw: Connection,
    topic: str,
    partition: int,
    place: Place,
    *,
    above: int,
    horizon: Mapping[str, int],
) -> None:
    """Go on with a partition where another server ended. The same again changes nothing.

    `above`: etl's place in it here, if it had been here before.
    """
    values: dict[str, Any] = {"topic": topic, "partition": partition, "above": above}
    values |= {"place": Jsonb(asdict(place)), "horizon": Jsonb(dict(horizon))}
    raw.execute(SQL["take_over"], values)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A record that seems to have come again, by the text of its ids.

    A request has its request id as `id`. A letter has its own, and may show no request id.
    """

    id: str
    outbox_id: str
    sequence: int
    request_id: str | None


def repeated(raw: Connection, *, most: int) -> list[Repeated]:
    """Requests that were put aside because they seem to lie on another server."""
    found = raw.execute(SQL["repeated"], {"most": most}).fetchall()
    return [Repeated(each, box, number, each) for each, box, number in found]


def settle_repeated(raw: Connection, *, elsewhere: Sequence[str], nowhere: Sequence[str]) -> None:
    """Drop those that lie elsewhere; the others become rows here."""
    values = {"elsewhere": list(elsewhere), "nowhere": list(nowhere)}
    raw.execute(SQL["settle_repeated"], values)


def repeated_letters(raw: Connection, *, most: int) -> list[Repeated]:
    """Dead letters that are not counted because they seem to lie on another server."""
    found = raw.execute(SQL["repeated_letters"], {"most": most}).fetchall()
    return [Repeated(*facts) for facts in found]


def known_letters(raw: Connection, letters: Sequence[Repeated]) -> set[str]:
    """The ids of those letters of another server whose record this one has."""
    found = raw.execute(SQL["known_letters"], _numbers(letters)).fetchall()
    return {each for (each,) in found}


def settle_letters(raw: Connection, found: Mapping[str, str | None]) -> None:
    """Id of a letter that has come again -> the server that has it; None: it is counted here."""
    values = {"ids": [int(each) for each in found], "shards": list(found.values()), "by": CALLER}
    raw.execute(SQL["settle_letters"], values)


def became_rows(raw: Connection, requests: Sequence[Repeated], *, shard: str) -> set[str]:
    """Resolve the letters that these requests have here, as they become rows of another server.

    Returns the ids of the requests that have one.
    """
    values = {**_numbers(requests), "shard": shard, "by": CALLER}
    return {each for (each,) in raw.execute(SQL["became_rows"], values).fetchall()}


def lock_repeats(warehouse: Connection) -> None:
    """Wait until nobody else says which server has a record; until this transaction ends."""
    warehouse.execute(SQL["lock_repeats"])


def _numbers(found: Sequence[Repeated]) -> dict[str, Any]:
    return {
        "ids": [each.id for each in found],
        "outboxes": [each.outbox_id for each in found],
        "sequences": [each.sequence for each in found],
        "requests": [each.request_id for each in found],
    }


def segments(warehouse: Connection) -> list[Segment]:
    """All recorded segments, in the order in which they were made."""
    with warehouse.cursor(row_factory=class_row(Segment)) as cursor:
        return cursor.execute(SQL["segments"]).fetchall()


def add_segment(warehouse: Connection, segment: Segment, *, moves: int) -> bool:
    """Record a segment; False when it was recorded before."""
    values = {**asdict(segment), "moves": moves}
    return warehouse.execute(SQL["add_segment"], values).rowcount == 1


def lock_moves(warehouse: Connection) -> bool:
    """Whether this transaction alone moves partitions until it ends."""
    row = warehouse.execute(SQL["lock_moves"]).fetchone()
    return bool(row and row[0])


def etl_place(warehouse: Connection, shard: str, topic: str, partition: int) -> int:
    """The furthest place that etl has in a partition of a server."""
    values = {"shard": shard, "topic": topic, "partition": partition}
    row = warehouse.execute(SQL["etl_place"], values).fetchone()
    return int(row[0]) if row else 0
