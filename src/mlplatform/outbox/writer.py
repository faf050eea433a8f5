"""The writing end of an outbox: group commit into preallocated segments.

A batch goes into one segment with one write and one fdatasync; only then is its last number
published to the reader (position.py). So a record that was written but not yet synced is invisible:
if the process dies there, opening the outbox again finds it whole in the page cache, syncs and
publishes it (its client got no answer and may see the request recorded all the same); if the
machine dies there, it is gone or torn, cut away (a copy is kept), and its number is given to the
next record. Nothing that the queue has seen can lose its number to another: where the folder can't
tell which number was its last, it takes a new identity (identity.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from uuid import uuid4

from mlplatform.durable import sync
from mlplatform.errors import OutboxFull, TooLarge, Unavailable
from mlplatform.outbox import damage as damages
from mlplatform.outbox import folder as files
from mlplatform.outbox import identity as identities
from mlplatform.outbox import resend
from mlplatform.outbox.identity import Identity
from mlplatform.outbox.position import Acknowledged, AcknowledgedFile, DurableMark
from mlplatform.outbox.record import (
    OutboxStatus,
    end_mark,
    frame_bytes,
    frames,
)
from mlplatform.outbox.recovery import last_segment
from mlplatform.telemetry import gauge, histogram, logger

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NEXT = "next"  # a segment in the making
# Hundreds of records; a larger piece would be felt by the request whose batch writes it.
_LAY_BYTES = 256 * 1024
# A broker that was away is mostly back within seconds, and a retry costs the client little.
_RETRY_AFTER_S = 2.0
_log = logger("outbox")


class OutboxWriter:
    """Appends records. One per folder, used by one thread; every method may block on the disk."""

    def __init__(self, folder: Path, *, lock: int, segment_bytes: int, capacity_bytes: int) -> None:
        """Use `open`."""
        self.next_sequence = 1  # the folder's numbers go on through all its identities
        self.incarnation = str(uuid4())
        self.previous: str | None = None  # the run that owned the identity before
        self.made = False  # whether the identity was made by this writer
        self._identity = Identity("")
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
        """Open or make the outbox: take the lock, cut a torn tail, keep or make the identity.

        Raises Refused while another process writes, or for a folder of a later version;
        IntegrityFailure for a damaged `identity`, Unavailable when the disk fails.
        """
        lock = -1
        try:
            files.make(folder)
            lock = files.lock(folder, "writer")
            writer = cls(
                folder, lock=lock, segment_bytes=segment_bytes, capacity_bytes=capacity_bytes
            )
            writer._recover()
        except BaseException as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, OSError):
                raise _failure(error, f"the outbox {folder} can't be opened") from error
            raise
        return writer

    @property
    def outbox_id(self) -> str:
        """The identity that the next record is numbered under."""
        return self._identity.outbox_id

    @property
    def next_number(self) -> int:
        """The number that the next record has under that identity."""
        return self.next_sequence - self._identity.base

    def renew(self, why: str) -> None:
        """Take a new identity for all records to come. Raises Unavailable when the disk fails."""
        before = self._identity
        identity = before.renewed(self.next_sequence - 1)
        try:
            identities.save(self._folder, identity)
        except OSError as error:
            raise _failure(error, "the outbox could not take a new identity") from error
        self._identity, self.made = identity, True
        _log.error(
            "the outbox takes a new identity",
            why=why,
            before=before.outbox_id,
            last=self.next_sequence - 1 - before.base,
            outbox_id=identity.outbox_id,
        )

    def confirm(self) -> None:
        """Keep that the data API takes this run as the owner. Raises Unavailable."""
        try:
            identities.save_incarnation(self._folder, self.incarnation)
        except OSError as error:
            raise _failure(error, "the outbox could not store its incarnation") from error

    def forget(self, outbox_id: str) -> None:
        """Of a former identity nothing is left to say. Raises Unavailable."""
        identity = self._identity.without(outbox_id)
        try:
            identities.save(self._folder, identity)
        except OSError as error:
            raise _failure(error, "the outbox could not store its identity") from error
        self._identity = identity

    def send_again(self, resets: int) -> None:
        """Have all that the folder still holds sent once more, if it was not since that reset.

        Raises Unavailable.
        """
        try:
            if resend.request(self._folder, resets):
                _log.warning("the queue was reset: what is still here is sent again")
        except OSError as error:
            raise _failure(error, "the outbox could not note that the queue was reset") from error

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
        gauge("outbox_accepted_sequence").set(self.next_number - 1)

    def status(self) -> OutboxStatus:
        """Numbers as of now.

        `bytes` counts whole closed segments, so it may be a little high; it is 0 when all is
        acknowledged.
        """
        position = self._acknowledged.read() or Acknowledged()
        waiting = 0
        if position.sequence < self.next_sequence - 1:
            closed = [
                first
                for first in files.segments(self._folder)
                if position.segment <= first != self._first
            ]
            waiting = sum(_size(files.segment_path(self._folder, first)) for first in closed)
            waiting += self._offset - position.offset
        return OutboxStatus(
            self.outbox_id,
            self.next_number - 1,
            max(0, position.sequence - self._identity.base),
            max(0, waiting),
            damages.named(self._folder, self._identity),
            tuple(each.status(position.sequence) for each in self._identity.former),
        )

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
        acknowledged = (self._acknowledged.read() or Acknowledged()).sequence
        published = self._durable.read()
        known = max(published or 0, acknowledged)
        end = last_segment(self._folder, known)
        if end is not None:
            self._file, self._first, self._size = end.file, end.first, end.size
            self._offset = self._laid = end.offset
            self.next_sequence = end.next_sequence
        last = self.next_sequence - 1
        if known > last:
            # Records were there that are not here: their numbers are not given again, and what
            # was not acknowledged of them the reader names.
            self._close_segment()
            self.next_sequence = known + 1
        doubt = ""
        if published is None and (end or acknowledged):
            doubt = "its file `durable` is lost or damaged, so it can't tell its last number"
        elif acknowledged > max(last, published or 0):
            doubt = f"record {acknowledged} was acknowledged and is unknown here: an older copy"
        self._identify(doubt)
        self._durable.write(self.next_sequence - 1)
        self._durable.sync()
        gauge("outbox_accepted_sequence").set(self.next_number - 1)

    def _identify(self, doubt: str) -> None:
        """Read the identity; make one where there is none, or where numbers may be given twice."""
        self.previous = identities.incarnation(self._folder)
        found = identities.load(self._folder)
        if found is None:
            found = identities.fresh(self.next_sequence - 1)
            identities.save(self._folder, found)
            self.made = True
            if found.base:
                _log.error(
                    "the outbox takes a new identity",
                    why=f"the file {self._folder / 'identity'} is lost",
                    outbox_id=found.outbox_id,
                )
        self._identity = found
        if doubt and not self.made:
            self.renew(doubt)

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
        an end mark in place of their first header does, so that opening the outbox again doesn't
        find them.
        """
        with contextlib.suppress(OSError):  # best effort on a failing disk
            os.pwrite(self._file, end_mark(self.next_sequence), self._offset)
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
    what = f"{what}: {error.filename}" if error.filename else what
    if error.errno in _NO_ROOM:
        return OutboxFull(f"{what}: no room on the disk", retry_after_s=_RETRY_AFTER_S)
    return Unavailable(
        f"{what}: {error.strerror}", retry_after_s=_RETRY_AFTER_S, fix=files.way_out(error)
    )
