"""The writing end of an outbox: group commit into preallocated segments.

A batch goes into one segment with one write and one fdatasync; only then is its last number
published to the reader (position.py). So a record that was written but not yet synced is invisible:
if the process dies there, opening the outbox again finds it whole in the page cache, syncs and
publishes it (its client got no answer and may see the request recorded all the same); if the
machine dies there, it is gone or torn, cut away (a copy is kept), and its number is given to the
next record. Nothing that the queue has seen can lose its number to another: where the folder can't
tell which number was its last, it takes a new identity (identity.py).

Where less is promised, the sync comes later (delayed_sync.py); readers wait for it all the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from uuid import uuid4

from mlplatform.errors import TooLarge
from mlplatform.outbox import damage as damages
from mlplatform.outbox import folder as files
from mlplatform.outbox import identity as identities
from mlplatform.outbox import resend
from mlplatform.outbox.delayed_sync import DelayedSync
from mlplatform.outbox.identity import Identity
from mlplatform.outbox.position import Acknowledged, AcknowledgedFile, DurableMark
from mlplatform.outbox.record import OutboxStatus, frame_bytes, frames
from mlplatform.outbox.recovery import last_segment
from mlplatform.outbox.segment_file import SegmentFile, bytes_of, failure
from mlplatform.telemetry import gauge, histogram, logger

_log = logger("outbox")


class OutboxWriter:
    """Appends records. One per folder, used by one thread; every method may block on the disk."""

    def __init__(self, folder: Path, *, lock: int, segment: SegmentFile) -> None:
        """Use `open`."""
        self.next_sequence = 1  # the folder's numbers go on through all its identities
        self.incarnation = str(uuid4())
        self.previous: str | None = None  # the run that owned the identity before
        self.last: bytes | None = None  # payload of the last record, as of the opening
        self.made = False  # whether the identity was made by this writer
        self._identity = Identity("")
        self._folder = folder
        self._lock = lock
        self._segment = segment
        self._durable = DurableMark(folder)
        self._acknowledged = AcknowledgedFile(folder)
        self._delayed: DelayedSync | None = None  # None: every append is synced

    @classmethod
    def open(cls, folder: Path, *, segment_bytes: int, capacity_bytes: int) -> Self:
        """Open or make the outbox: take the lock, cut a torn tail, keep or make the identity.

        Raises Refused while another process writes, or for a folder of a later version;
        IntegrityFailure for a damaged `identity`, Unavailable when the disk fails.
        """
        segment = SegmentFile(folder, segment_bytes=segment_bytes, capacity_bytes=capacity_bytes)
        lock = -1
        try:
            files.make(folder)
            lock = files.lock(folder, "writer")
            writer = cls(folder, lock=lock, segment=segment)
            writer._recover()
        except BaseException as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, OSError):
                raise failure(error, f"the outbox {folder} can't be opened") from error
            raise
        return writer

    def sync_every(self, seconds: float) -> None:
        """From now on sync within that time, instead of with every append. See `DelayedSync`."""
        self._delayed = DelayedSync(self._segment, self._durable.write, every_s=seconds)

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
        if self._delayed is not None:
            # The identity names the last number before it: that record must not be lost afterwards.
            self._delayed.sync()
        before = self._identity
        identity = before.renewed(self.next_sequence - 1)
        try:
            identities.save(self._folder, identity)
        except OSError as error:
            raise failure(error, "the outbox could not take a new identity") from error
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
            raise failure(error, "the outbox could not store its incarnation") from error

    def forget(self, outbox_id: str) -> None:
        """Of a former identity nothing is left to say. Raises Unavailable."""
        identity = self._identity.without(outbox_id)
        try:
            identities.save(self._folder, identity)
        except OSError as error:
            raise failure(error, "the outbox could not store its identity") from error
        self._identity = identity

    def send_again(self, resets: int) -> None:
        """Have all that the folder still holds sent once more, if it was not since that reset.

        Raises Unavailable.
        """
        try:
            if resend.request(self._folder, resets):
                _log.warning("the queue was reset: what is still here is sent again")
        except OSError as error:
            raise failure(error, "the outbox could not note that the queue was reset") from error

    def append(self, payloads: Sequence[bytes]) -> None:
        """Store the payloads, all or none, as records next_sequence, next_sequence + 1, ….

        They are durable when it returns; after `sync_every` they outlive this process, and the
        machine only after the next sync.

        Raises OutboxFull (capacity reached, or no room on the disk), Unavailable (the disk failed)
        or TooLarge (the batch could never fit). After an error nothing of the batch is visible and
        `next_sequence` is unchanged, so no number is ever left out.
        """
        if not payloads:
            return
        started = time.perf_counter()
        self._refuse_too_large(payloads)
        data, last = frames(self.next_sequence, payloads), self.next_sequence + len(payloads) - 1
        if self._delayed is None:
            self._append_synced(data)
            self._durable.write(last)
        else:
            self._delayed.append(self.next_sequence, last, data)
        self.next_sequence = last + 1
        histogram("outbox_commit_seconds").observe(time.perf_counter() - started)
        gauge("outbox_accepted_sequence").set(self.next_number - 1)

    def _refuse_too_large(self, payloads: Sequence[bytes]) -> None:
        size, most = sum(map(frame_bytes, payloads)), self._segment.capacity_bytes
        if size > most // 2:
            raise TooLarge(
                f"a batch of {size} bytes is more than half of the outbox's {most}",
                fix="smaller batches, or a larger outbox",
            )

    def _append_synced(self, data: bytes) -> None:
        segment = self._segment
        if not segment.fits(len(data)):
            segment.begin(self.next_sequence, len(data))
        before = segment.offset
        try:
            segment.write(data)
            segment.sync()
        except OSError as error:
            # The kernel may call pages clean that never reached the disk: never write to this
            # segment again. What was synced before stays readable.
            segment.hide(self.next_sequence, before)
            segment.close()
            raise failure(error, "the outbox could not store the request") from error

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
                if position.segment <= first != self._segment.first
            ]
            waiting = sum(bytes_of(files.segment_path(self._folder, first)) for first in closed)
            waiting += self._segment.offset - position.offset
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
        if self._delayed is not None:
            self._delayed.close()
        self._segment.close()
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
            self._segment.resume(end)
            self.next_sequence, self.last = end.next_sequence, end.last
        last = self.next_sequence - 1
        if known > last:
            # Records were there that are not here: their numbers are not given again, and what
            # was not acknowledged of them the reader names.
            self._segment.close()
            self.next_sequence, self.last = known + 1, None
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
