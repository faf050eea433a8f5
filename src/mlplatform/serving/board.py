"""Which of a pod's workers are ready: one byte each, in memory that all of them share.

A probe reaches one worker, and asks for all. The memory belongs to a file without a name, which a
worker inherits from the parent process, in all of its lives.
"""

from __future__ import annotations

import mmap
import os
import tempfile

_WAITING, _READY, _ENDED = range(3)


class Board:
    """Written by each worker for itself, and by the parent for one that has ended."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self._states = mmap.mmap(descriptor, size)

    @classmethod
    def make(cls, size: int) -> Board:
        """For so many workers, none of which is ready."""
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            descriptor = os.dup(file.fileno())
        os.set_inheritable(descriptor, True)
        return cls(descriptor, size)

    def show(self, worker: int, *, ready: bool) -> None:
        """Keep whether a worker, counted from 1, is ready."""
        self._states[worker - 1] = _READY if ready else _WAITING

    def ended(self, worker: int) -> None:
        """A worker has ended; its successor finds that out by `succeeds`."""
        self._states[worker - 1] = _ENDED

    def succeeds(self, worker: int) -> bool:
        """Whether another process was this worker before."""
        return self._states[worker - 1] == _ENDED

    def missing(self) -> list[int]:
        """The workers that are not ready."""
        return [number for number, state in enumerate(self._states[:], 1) if state != _READY]
