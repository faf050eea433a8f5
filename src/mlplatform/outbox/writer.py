"""The writing end of an outbox: group commit into preallocated segments.

A batch goes into one segment with one write and one fdatasync; only then is its last number
published to the reader (position.py). So a record that was written but not yet synced is invisible:
if the process dies there, opening the outbox again finds it whole in the page cache, syncs and
publishes it (its client got no answer and may see the request recorded all the same); if the
machine dies there, it is gone or torn, cut away, and its number is given to the next record.
Nothing that the queue has seen can lose its number to another.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from mlplatform.durable import sync
from mlplatform.errors import IntegrityFailure, OutboxFull, TooLarge, Unavailable
from mlplatform.outbox import folder as files
from mlplatform.outbox.position import AcknowledgedFile, DurableMark
from mlplatform.outbox.record import HEADER_BYTES, OutboxStatus, frame_bytes, frames
from mlplatform.outbox.scan import end_of_segment
from mlplatform.telemetry import gauge, histogram

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NEXT = "next"  # a segment in the making
# Hundreds of records; a larger piece would be felt by the request whose batch writes it.
_LAY_BYTES = 256 * 1024
# A broker that was away is mostly back within seconds, and a retry costs the client little.
_RETRY_AFTER_S = 2.0


class OutboxWriter:
    """Appends records. One per folder, used by one thread; every method may block on the disk."""

    def __init__(
        self, folder: Path, *, outbox_id: str, lock: int, segment_bytes: int, capacity_bytes: int
    ) -> None:
        """Use `open`."""
        self.outbox_id = outbox_id
        self.next_sequence = 1
        self._folder = folder
        self._lock = lock
        # Two segments at least: the one that is written is never freed, and it must not be all the
        # room there is.
        self._segment_bytes = min(segment_bytes, capacity_bytes // 2)
        self._capacity_bytes = capacity_bytes
        self._durable = DurableMark(folder)
        self._acknowledged = AcknowledgedFile(folder)
        self._file = -1  # descriptor of the segment that is written; -1: the next append begins one
        self._first = 0
        self._offset = 0
        self._size = 0
        self._laid = 0  # up to here the segment's blocks have been written once

    @classmethod
    def open(cls, folder: Path, *, segment_bytes: int, capacity_bytes: int) -> Self:
        """Open or make the outbox: take the lock, cut a torn tail, keep or make the UUID.

        Raises Refused while another process writes, IntegrityFailure when records that were durable
        can't be read, Unavailable when the disk fails.
        """
        lock = -1
        try:
            files.make(folder)
            lock = files.lock(folder, "writer")
            outbox_id = files.identity(folder) or files.make_identity(folder)
            writer = cls(
                folder,
                outbox_id=outbox_id,
                lock=lock,
                segment_bytes=segment_bytes,
                capacity_bytes=capacity_bytes,
            )
            writer._recover()
        except BaseException as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, OSError):
                raise _failure(error, f"the outbox {folder} can't be opened") from error
            raise
        return writer

    def append(self, payloads: Sequence[bytes]) -> None:
        """Make the payloads durable, all or none, as records next_sequence, next_sequence + 1, ….

        Raises OutboxFull (capacity reached, or no room on the disk), Unavailable (the disk failed)
        or TooLarge (the batch could never fit). After an error nothing of the batch is visible and
        `next_sequence` is unchanged, so no number is ever left out.
        """
        if not payloads:
            return
        started = time.perf_counter()
        size = sum(frame_bytes(payload) for payload in payloads)
        if size > self._capacity_bytes // 2:
            raise TooLarge(
                f"a batch of {size} bytes is more than half of the outbox's {self._capacity_bytes}",
                fix="smaller batches, or a larger outbox",
            )
        if self._file < 0 or self._offset + size > self._size:
            self._begin_segment(size)
        self._write(frames(self.next_sequence, payloads))
        self._offset += size
        self.next_sequence += len(payloads)
        self._durable.write(self.next_sequence - 1)
        histogram("outbox_commit_seconds").observe(time.perf_counter() - started)
        gauge("outbox_accepted_sequence").set(self.next_sequence - 1)

    def status(self) -> OutboxStatus:
        """Numbers as of now.

        `bytes` counts whole closed segments, so it may be a little high; it is 0 when all is
        acknowledged.
        """
        position = self._acknowledged.read()
        accepted = self.next_sequence - 1
        waiting = 0
        if position.sequence < accepted:
            closed = [
                first
                for first in files.segments(self._folder)
                if position.segment <= first != self._first
            ]
            waiting = sum(_size(files.segment_path(self._folder, first)) for first in closed)
            waiting += self._offset - position.offset
        return OutboxStatus(self.outbox_id, accepted, position.sequence, max(0, waiting))

    def close(self) -> None:
        """Close the files and give the lock back. The outbox keeps its records and its UUID."""
        if self._lock < 0:
            return
        self._close_segment()
        self._durable.close()
        self._acknowledged.close()
        os.close(self._lock)
        self._lock = -1

    def _recover(self) -> None:
        acknowledged = self._acknowledged.read().sequence
        published = self._durable.read()
        existing = files.segments(self._folder)
        if existing:
            self._first = existing[-1]
            self._file = os.open(
                files.segment_path(self._folder, self._first), os.O_RDWR | os.O_CLOEXEC
            )
            self._size = os.fstat(self._file).st_size
            self._offset, self.next_sequence = end_of_segment(self._file, self._first)
            self._cut()
        last = self.next_sequence - 1
        if last < published and acknowledged < published:
            raise IntegrityFailure(
                f"the outbox {self._folder} ends at record {last}, "
                f"but records up to {published} were durable",
                fix=files.AFTER_A_LOSS,
            )
        if acknowledged > last:
            # All that is lost had been sent already: go on behind it, no number is used twice.
            self._close_segment()
            self.next_sequence = acknowledged + 1
        self._durable.write(self.next_sequence - 1)
        gauge("outbox_accepted_sequence").set(self.next_sequence - 1)

    def _cut(self) -> None:
        """Remove what lies behind the last whole record, and sync the rest.

        Otherwise a later crash could bring half of it back.
        """
        os.ftruncate(self._file, self._offset)
        os.posix_fallocate(self._file, 0, max(self._size, self._offset + HEADER_BYTES))
        os.fsync(self._file)
        self._laid = self._offset

    def _begin_segment(self, needed: int) -> None:
        size = max(self._segment_bytes, needed)
        held = sum(
            _size(files.segment_path(self._folder, first)) for first in files.segments(self._folder)
        )
        if held + size > self._capacity_bytes:
            raise OutboxFull(
                f"the outbox holds {held} of {self._capacity_bytes} bytes",
                retry_after_s=_RETRY_AFTER_S,
                fix="the queue is away or slow: see the shipper",
            )
        try:
            file = self._make_segment(size)
        except OSError as error:
            # The disk is full or broken, and the first error is the one to report.
            with contextlib.suppress(OSError):
                (self._folder / _NEXT).unlink()
            raise _failure(error, "the outbox could not begin a segment") from error
        self._file, self._first, self._offset, self._size = file, self.next_sequence, 0, size

    def _make_segment(self, size: int) -> int:
        fresh = self._folder / _NEXT
        self._laid = 0
        with contextlib.suppress(FileNotFoundError):  # no spare: a new file is made
            (self._folder / files.SPARE).rename(fresh)
            self._laid = size
        file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, size)
            os.posix_fallocate(file, 0, size)
            os.fsync(file)
            fresh.rename(files.segment_path(self._folder, self.next_sequence))
            # The new name ends the old segment, even if nothing is ever written under that name.
            self._close_segment()
            sync(self._folder)
        except OSError:
            os.close(file)
            raise
        return file

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(
                    self._file, data[written:] if written else data, self._offset + written
                )
            self._lay(self._offset + len(data))
            os.fdatasync(self._file)
        except OSError as error:
            self._give_up_segment()
            raise _failure(error, "the outbox could not store the request") from error

    def _lay(self, end: int) -> None:
        """Write zeros ahead, a piece at a time.

        A sync over blocks that were never written costs the file system a journal entry each time.
        """
        if end > self._laid:
            ahead = min(self._size, end - end % -_LAY_BYTES)
            os.pwrite(self._file, bytes(max(0, ahead - end)), end)
            self._laid = ahead

    def _give_up_segment(self) -> None:
        """After a failed write or sync, never write to this segment again.

        The kernel may call pages clean that never reached the disk. What was synced before stays
        readable. The next segment's name hides the frames of the failed batch; until there is one,
        their first header is wiped, so that opening the outbox again doesn't find them.
        """
        with contextlib.suppress(OSError):  # best effort on a failing disk
            os.pwrite(self._file, bytes(HEADER_BYTES), self._offset)
        self._close_segment()

    def _close_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._first, self._offset = -1, 0, 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the reader has freed it meanwhile
        return 0


def _failure(error: OSError, what: str) -> Unavailable:
    if error.errno in _NO_ROOM:
        return OutboxFull(f"{what}: no room on the disk", retry_after_s=_RETRY_AFTER_S)
    return Unavailable(f"{what}: {error.strerror}", retry_after_s=_RETRY_AFTER_S)
