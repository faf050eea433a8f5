"""Which raw server holds what: names, segments of the queue, and how partitions are spread.

A server is known by its place in the settings: `raw`, `raw-2`, `raw-3` … A segment is a part of a
partition of the queue, from an offset up to where the next one begins, that lies on one server.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST = "raw"
"""The server that every partition begins on, and that imports and outboxes' reports go to."""
ID_BLOCK = 10**12
"""Numbers that a server gives out by itself (ids of dead letters) are its own: those of the second
begin at ID_BLOCK."""


@dataclass(frozen=True, order=True)
class Segment:
    """`shard` holds the records of a partition from `from_offset` on, up to the next segment."""

    topic: str
    partition: int
    from_offset: int
    shard: str


@dataclass(frozen=True)
class Move:
    """A partition that goes on, from where it is stored, on another server."""

    topic: str
    partition: int
    source: str
    target: str


@dataclass(frozen=True)
class Held:
    """What one server knows of a partition.

    `moves` grows with every move of the partition; `moved_to` names the server that goes on, and
    is empty on the one that stores its records now.
    """

    shard: str
    next_offset: int
    moves: int = 0
    moved_to: str = ""
    begins_at: int = 0


def names(count: int) -> tuple[str, ...]:
    """The names of so many servers, in their order."""
    return tuple(_name(number) for number in range(1, count + 1))


def number(shard: str) -> int:
    """The place of a server in the settings, from 1 on."""
    return 1 if shard == FIRST else int(shard.removeprefix(f"{FIRST}-"))


def of_id(given: int) -> str:
    """The server that gave out this id."""
    return _name(given // ID_BLOCK + 1)


def _name(number: int) -> str:
    return FIRST if number == 1 else f"{FIRST}-{number}"


def in_turn(segments: Sequence[Segment]) -> list[Segment]:
    """The segments of one partition in the order of their offsets, without those that are empty.

    A partition that moved twice at one offset has segments that begin at the same place: the last
    one given counts.
    """
    last = {each.from_offset: each for each in segments}
    found: list[Segment] = []
    for _, each in sorted(last.items()):
        if not found or found[-1].shard != each.shard:
            found.append(each)
    return found


def holder(segments: Sequence[Segment], offset: int) -> str:
    """The server that holds an offset of a partition: the first one, where no segment says so."""
    ordered = in_turn(segments)
    place = bisect_right([each.from_offset for each in ordered], offset)
    return ordered[place - 1].shard if place else FIRST


def current(known: Sequence[Held]) -> Held | None:
    """What the server knows that knows most of a partition; None when nobody has it.

    Where that server has `moved_to`, the move is half done: the other has not taken over yet.
    """
    return max(known, key=lambda each: (each.moves, not each.moved_to), default=None)


def spread(present: Mapping[tuple[str, int], str], shards: Sequence[str]) -> list[Move]:
    """The fewest moves after which no server has more than one partition more than another.

    `present`: (topic, partition) -> server; each topic is spread by itself. Partitions on servers
    that are not among `shards` stay there: they could not be stopped.
    """
    topics = sorted({name for name, _ in present})
    return [move for name in topics for move in _spread(name, present, shards)]


def _spread(
    topic: str, present: Mapping[tuple[str, int], str], shards: Sequence[str]
) -> list[Move]:
    mine = {part: shard for (name, part), shard in present.items() if name == topic}
    free = {part: shard for part, shard in mine.items() if shard in shards}
    counts = Counter(free.values())
    load = {shard: counts[shard] for shard in shards}
    moves: list[Move] = []
    while load and max(load.values()) - min(load.values()) > 1:
        source = max(shards, key=lambda shard: (load[shard], -shards.index(shard)))
        target = min(shards, key=lambda shard: (load[shard], shards.index(shard)))
        part = max(part for part, shard in free.items() if shard == source)
        del free[part]
        load[source] -= 1
        load[target] += 1
        moves.append(Move(topic, part, source, target))
    return moves
