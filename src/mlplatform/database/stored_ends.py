"""What a batch may add to where the stored records of its partitions end. No database here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Placed(Protocol):
    """Whatever has a place in the queue."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its offset there."""


E = TypeVar("E", bound=Placed)


@dataclass(frozen=True, slots=True)
class StoredEnd:
    """Where the stored records of a partition end, and with which one, if that is known."""

    next_offset: int
    last: str | None
    refused: bool  # whether people are told that nothing is read
    ends_at: int | None  # another server goes on there; None: this one stores the partition
    came: bool  # from another server


def own(entries: Sequence[E], ends: Mapping[int, StoredEnd]) -> tuple[Sequence[E], Collection[int]]:
    """The entries that this server stores, and the partitions that go on elsewhere."""
    moved = {p: end.ends_at for p, end in ends.items() if end.ends_at is not None}
    moved |= dict.fromkeys({entry.partition for entry in entries} - ends.keys(), 0)
    if not moved:
        return entries, ()
    kept = [
        entry
        for entry in entries
        if entry.partition not in moved or entry.offset < moved[entry.partition]
    ]
    return kept, moved.keys()


def behind(
    entries: Sequence[E], positions: Mapping[int, int], holes: Mapping[int, int]
) -> dict[int, int]:
    """The stored positions of all partitions, when one of them begins above its own.

    Where `holes` has that position, the queue holds nothing there, and the jump is right.
    """
    firsts: dict[int, int] = {}
    for entry in entries:
        firsts.setdefault(entry.partition, entry.offset)
    jumps = any(
        first > positions[p] and holes.get(p) != positions[p] for p, first in firsts.items()
    )
    return {p: positions[p] for p in firsts} if jumps else {}
