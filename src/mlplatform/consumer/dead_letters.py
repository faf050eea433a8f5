"""The guard against a bad deploy.

Too many bad records in a row stop the consumer, instead of draining the topic into dead letters.

Bad is what can't be read and what the database refuses. Only what was stored counts, so that a
batch that is tried again counts once. The count is per partition and survives restarts, since it is
looked up in the database: a supervisor that starts the consumer again must not let another thousand
pass. It goes on by itself when the next record can be stored, be it by a fixed version
of the consumer. Records that are readable notices of their own (oversize) don't count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlplatform.database.queue_entries import OVERSIZE
from mlplatform.database.requests import DeadLetter, Entry
from mlplatform.errors import PlatformError


class DeadLetterGuard:
    """Counts bad records in a row.

    `look_up(partition, next_offset)` returns how many the database has right before that offset.
    """

    def __init__(self, limit: int, look_up: Callable[[int, int], int]) -> None:
        self._limit = limit
        self._look_up = look_up
        # Of what is stored; a partition that is missing is looked up when it has a bad one.
        self._in_a_row: dict[int, int] = {}

    def admit(self, entries: Sequence[Entry]) -> tuple[Sequence[Entry], PlatformError | None]:
        """The entries that may be stored and, when they are not all, the error to stop with then.

        May raise Unavailable.
        """
        counts = dict(self._in_a_row)
        for index, entry in enumerate(entries):
            self._count(counts, entry)
            if isinstance(entry, DeadLetter) and counts[entry.partition] > self._limit:
                return entries[:index], _stop(entry, self._limit)
        return entries, None

    def stored(self, entries: Sequence[Entry]) -> None:
        """Count what the database holds now. May raise Unavailable."""
        for entry in entries:
            self._count(self._in_a_row, entry)

    def forget(self) -> None:
        """Look the counts up again.

        Partitions have changed hands, or it is not known what was stored.
        """
        self._in_a_row.clear()

    def _count(self, counts: dict[int, int], entry: Entry) -> None:
        if not isinstance(entry, DeadLetter) or entry.kind == OVERSIZE:
            counts[entry.partition] = 0
            return
        if entry.partition not in counts:
            counts[entry.partition] = self._look_up(entry.partition, entry.offset)
        counts[entry.partition] += 1


def _stop(entry: DeadLetter, limit: int) -> PlatformError:
    return PlatformError(
        f"{limit} records in a row of partition {entry.partition} can't be read or stored; "
        f"the next one, at offset {entry.offset}: {entry.reason}",
        fix="if a newer serving writes them, deploy its consumer; to take them as dead letters, "
        "raise MLPLATFORM_CONSUMER__DEAD_LETTER_LIMIT",
    )
