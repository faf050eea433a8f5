"""Syncing after a while instead of with every append (`serving.durability: interval`).

What was written is in the system's page cache: it outlives this process, and a failure of the
machine only once it is synced. A thread syncs when half of the interval has passed since the oldest
unsynced write. An append waits for the sync when that write is older than the whole interval, so
what a failure of the machine can take was answered within one interval, however slow the disk is.
Readers see a record when it is synced, as ever: nothing is sent that could still be lost here.

The frames that are not yet synced are kept in memory. When a sync fails, the kernel may call their
pages clean all the same, so they are written once more, into a segment of their own whose name
hides the first copy. Until that has succeeded, every append is refused.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from mlplatform.errors import PlatformError
from mlplatform.outbox.segment_file import SegmentFile, failure
from mlplatform.telemetry import gauge, logger

_MOST_BYTES = 16 * 1024 * 1024
"""Unsynced bytes above which an append waits for a sync, however short the time: they lie in memory
too."""
_RETRY_S = 0.5
"""Pause between attempts while the disk refuses: a disk that is full may have room soon."""
_log = logger("outbox")


class _Written(NamedTuple):
    """An append that is not known to be on the disk."""

    first: int
    last: int
    data: bytes
    at: float


class DelayedSync:
    """Between a writer and its segment; `publish` makes records up to a number readable.

    `append` is called by one thread, `sync` by any.
    """

    def __init__(
        self, segment: SegmentFile, publish: Callable[[int], None], *, every_s: float
    ) -> None:
        """Start the thread."""
        self._segment = segment
        self._publish = publish
        self._every_s = every_s
        self._unsynced: deque[_Written] = deque()
        self._bytes = 0
        self._failed = False  # the segment is given up; what is unsynced must be written again
        # `_syncing` is held for a whole sync: of two at once on one descriptor, only one would see
        # an error. `_state` is held for moments, and for a whole append. Taken in this order.
        self._syncing = threading.Lock()
        self._state = threading.Lock()
        self._written = threading.Event()
        self._stop = threading.Event()
        self._show()
        self._thread = threading.Thread(target=self._run, name="outbox-sync", daemon=True)
        self._thread.start()

    def append(self, first: int, last: int, data: bytes) -> None:
        """Write the frames of records `first` to `last`. Raises OutboxFull, Unavailable."""
        while not self._append(first, last, data):
            self.sync()

    def sync(self) -> None:
        """Bring all that was appended to the disk. Raises OutboxFull, Unavailable."""
        with self._syncing:
            with self._state:
                if not self._unsynced:
                    self._give_up()
                    return
                failed, last = self._failed, self._unsynced[-1].last
            if failed or not self._synced():
                last = self._write_again()
            self._publish(last)
            with self._state:
                while self._unsynced and self._unsynced[0].last <= last:
                    self._bytes -= len(self._unsynced.popleft().data)
                if not self._unsynced:
                    self._give_up()

    def close(self) -> None:
        """Sync, and end the thread. What can't be synced is named in the log."""
        self._stop.set()
        self._written.set()
        self._thread.join()
        try:
            self.sync()
        except PlatformError as error:
            _log.error(
                "answered requests may not be on the disk: the last sync failed",
                first=self._unsynced[0].first,
                last=self._unsynced[-1].last,
                error=str(error),
            )

    def _append(self, first: int, last: int, data: bytes) -> bool:
        """Whether it was written; otherwise what came before is to be synced first."""
        with self._state:
            fits = self._segment.fits(len(data))
            # A segment that is closed can't be synced any more.
            if self._failed or self._is_due() or (self._unsynced and not fits):
                return False
            if not fits:
                self._segment.begin(first, len(data))
            before = self._segment.offset
            try:
                self._segment.write(data)
            except OSError as error:
                self._segment.hide(first, before)
                # Not closed here: a sync of what lies in front of it may be running.
                self._failed = True
                raise failure(error, "the outbox could not store the request") from error
            self._unsynced.append(_Written(first, last, data, time.monotonic()))
            self._bytes += len(data)
        self._written.set()
        return True

    def _is_due(self) -> bool:
        return self._bytes > _MOST_BYTES or self._age() >= self._every_s

    def _age(self) -> float:
        """Seconds since the oldest write that is not synced."""
        try:
            return time.monotonic() - self._unsynced[0].at
        except IndexError:
            return 0.0

    def _synced(self) -> bool:
        """Sync the segment. An error is reported once, so it must be remembered here."""
        try:
            self._segment.sync()
        except OSError as error:
            with self._state:
                _log.error(
                    "a sync of the outbox failed: its records are written again",
                    first=self._unsynced[0].first,
                    last=self._unsynced[-1].last,
                    error=error.strerror,
                )
                self._failed = True
            return False
        return True

    def _give_up(self) -> None:
        """After a failure never write to that segment again. Nothing in it waits for a sync."""
        if self._failed:
            self._segment.close()
            self._failed = False

    def _write_again(self) -> int:
        """Put all that is unsynced into a new segment, and sync that; returns the last number."""
        with self._state:
            data = b"".join(each.data for each in self._unsynced)
            self._segment.begin(self._unsynced[0].first, len(data))
            try:
                self._segment.write(data)
                self._segment.sync()
            except OSError as error:
                raise failure(error, "the outbox could not sync what it had taken") from error
            self._failed = False
            return self._unsynced[-1].last

    def _run(self) -> None:
        while not self._stop.is_set():
            self._written.wait()
            self._stop.wait(self._every_s / 2)
            # Before the sync: what is written during it gets the next one.
            self._written.clear()
            try:
                self.sync()
            except PlatformError as error:
                _log.error("requests are refused: the outbox can't be synced", error=str(error))
                self._stop.wait(_RETRY_S)
                self._written.set()

    def _show(self) -> None:
        # Computed when they are read: a disk that hangs would hold up whoever set them.
        gauge("outbox_unsynced_bytes").set_function(lambda: self._bytes)
        gauge("outbox_unsynced_records").set_function(self._records)
        gauge("outbox_unsynced_age_seconds").set_function(self._age)

    def _records(self) -> int:
        try:
            return self._unsynced[-1].last - self._unsynced[0].first + 1
        except IndexError:
            return 0
