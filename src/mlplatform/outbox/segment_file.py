"""The segment that an outbox's writer writes: a preallocated file, and the one after it."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from mlplatform.durable import sync
from mlplatform.errors import OutboxFull, Unavailable
from mlplatform.outbox import folder as files
from mlplatform.outbox.record import end_mark
from mlplatform.outbox.recovery import SegmentEnd

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NEXT = "next"  # a segment in the making
# Hundreds of records; a larger piece would be felt by the request whose batch writes it.
_LAY_BYTES = 256 * 1024
# A broker that was away is mostly back within seconds, and a retry costs the client little.
_RETRY_AFTER_S = 2.0


class SegmentFile:
    """Used by one thread at a time. After a failed write or sync: `give_up`, then `begin`."""

    def __init__(self, folder: Path, *, segment_bytes: int, capacity_bytes: int) -> None:
        """No segment is open yet."""
        self.first = 0
        self.offset = 0  # where the next frame belongs
        self.capacity_bytes = capacity_bytes
        self._folder = folder
        # Two segments at least: the one that is written is never freed, and it must not be all the
        # room there is.
        self._segment_bytes = min(segment_bytes, capacity_bytes // 2)
        self._file = -1  # its descriptor; -1: the next append begins one
        self._size = 0
        self._laid = 0  # up to here the segment's blocks have been written once

    def resume(self, end: SegmentEnd) -> None:
        """Go on where the last run ended."""
        self._file, self.first, self._size = end.file, end.first, end.size
        self.offset = self._laid = end.offset

    def fits(self, size: int) -> bool:
        """Whether a segment is open and has room for so many bytes."""
        return self._file >= 0 and self.offset + size <= self._size

    def begin(self, first: int, needed: int) -> None:
        """Begin the segment of the records from `first` on, and end the one before.

        Raises OutboxFull, Unavailable.
        """
        size = max(self._segment_bytes, needed)
        held = sum(
            bytes_of(files.segment_path(self._folder, each))
            for each in files.segments(self._folder)
        )
        if held + size > self.capacity_bytes:
            raise OutboxFull(
                f"the outbox holds {held} of {self.capacity_bytes} bytes",
                retry_after_s=_RETRY_AFTER_S,
                fix="the queue is away or slow: see the shipper",
            )
        try:
            file = self._make(first, size)
        except OSError as error:
            # The disk is full or broken, and the first error is the one to report.
            with contextlib.suppress(OSError):
                (self._folder / _NEXT).unlink()
            raise failure(error, "the outbox could not begin a segment") from error
        self._file, self.first, self.offset, self._size = file, first, 0, size

    def write(self, data: bytes) -> None:
        """Put frames at the end. Raises OSError; then nothing of them counts."""
        written = 0
        while written < len(data):
            written += os.pwrite(
                self._file, data[written:] if written else data, self.offset + written
            )
        self._lay(self.offset + len(data))
        self.offset += len(data)

    def sync(self) -> None:
        """Bring everything written to the disk. Raises OSError, and only once for an error."""
        os.fdatasync(self._file)

    def hide(self, sequence: int, offset: int) -> None:
        """Say that nothing from `offset` on counts, where the failed frames of `sequence` begin.

        The next segment's name hides them; until there is one, this does, so that opening the
        outbox again doesn't find them.
        """
        with contextlib.suppress(OSError):  # best effort on a failing disk
            os.pwrite(self._file, end_mark(sequence), offset)

    def close(self) -> None:
        """Close it, if it is open; the next append begins another."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self.first, self.offset = -1, 0, 0

    def _make(self, first: int, size: int) -> int:
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
            fresh.rename(files.segment_path(self._folder, first))
            # The new name ends the old segment, even if nothing is ever written under that name.
            self.close()
            sync(self._folder)
        except OSError:
            os.close(file)
            raise
        return file

    def _lay(self, end: int) -> None:
        """Write zeros ahead, a piece at a time.

        A sync over blocks that were never written costs the file system a journal entry each time.
        """
        if end > self._laid:
            ahead = min(self._size, end - end % -_LAY_BYTES)
            os.pwrite(self._file, bytes(max(0, ahead - end)), end)
            self._laid = ahead


def bytes_of(path: Path) -> int:
    """Size of a segment; 0 when the reader has freed it meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def failure(error: OSError, what: str) -> Unavailable:
    """The refusal that follows from an error of the disk."""
    what = f"{what}: {error.filename}" if error.filename else what
    if error.errno in _NO_ROOM:
        return OutboxFull(f"{what}: no room on the disk", retry_after_s=_RETRY_AFTER_S)
    return Unavailable(
        f"{what}: {error.strerror}", retry_after_s=_RETRY_AFTER_S, fix=files.way_out(error)
    )
