"""Partitions that are assigned to a member and not to be read by it for now."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from mlplatform.queue.interface import AGAIN_S


class Aside:
    """When the database is asked again for the position of each."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}

    def add(self, partitions: Iterable[int]) -> None:
        """Ask for these again in AGAIN_S."""
        self._until |= dict.fromkeys(partitions, time.monotonic() + AGAIN_S)

    def forget(self, partitions: Collection[int]) -> None:
        """They are read now, or are another member's."""
        for partition in partitions:
            self._until.pop(partition, None)

    def due(self, partition: int) -> bool:
        """Whether to ask for this one now; always for one that was not set aside."""
        return self._until.get(partition, 0.0) <= time.monotonic()
