"""Whether a batch that is due is worth a moment more, since others are about to come along.

Callers that ask again as soon as they have their answers come one after the other, within a
fraction of a millisecond. A batch of the first of them would make the others wait for the disk
twice: for that batch, and for their own. So a batch waits as long as every turn of the event loop
brings another request, until there are as many as lately, and no longer than storing a batch takes.
Somebody who asks alone never waits, and nobody does where nothing is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Gathering:
    """One decision a turn. `commit_s` says how long storing a batch takes; 0: don't wait."""

    def __init__(self, commit_s: Callable[[], float]) -> None:
        self._commit_s = commit_s
        self._sizes = (0, 0)  # of the latest two batches: every other one may be cut short
        self._waiting = 0  # when it was decided last; 0: not since the last batch
        self._until = 0.0

    @property
    def alone(self) -> bool:
        """Whether nobody came along lately."""
        return max(self._sizes) <= 1

    def closed(self, size: int) -> None:
        """A batch of that many requests has been answered."""
        self._sizes = (self._sizes[1], size)
        self._waiting = 0

    def worth(self, waiting: int) -> bool:
        """Whether to wait until the next turn, with so many requests waiting."""
        before, self._waiting = self._waiting, waiting
        if waiting == before or waiting >= max(self._sizes):
            return False
        now = time.monotonic()
        if not before:
            self._until = now + self._commit_s()
        return now < self._until
