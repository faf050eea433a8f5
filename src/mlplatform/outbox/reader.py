"""The reading end of an outbox.

The reader sees a record when the writer has synced it and published its number, never before: what
it ships can't vanish from the writer's numbering afterwards. It works without a living writer on
what was published; a mark that a power failure set back (position.py) hides the newest records
until the writer opens the outbox again.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

from mlplatform.errors import IntegrityFailure, InvalidInput, Unavailable
from mlplatform.outbox import folder as files
from mlplatform.outbox.position import Acknowledged, AcknowledgedFile, DurableMark
from mlplatform.outbox.record import OutboxRecord, OutboxStatus, frame_bytes
from mlplatform.outbox.scan import records
from mlplatform.telemetry import gauge


class OutboxReader:
    """Reads the oldest records, and forgets those that are acknowledged.

    One per folder, used by one thread; methods may block on the disk.
    """

    def __init__(self, folder: Path, *, outbox_id: str, lock: int) -> None:
        """Use `open`."""
        self.outbox_id = outbox_id
        self._folder = folder
        self._lock = lock
        self._durable = DurableMark(folder)
        self._acknowledged = AcknowledgedFile(folder)
        self._position = self._acknowledged.read()
        self._read: list[Acknowledged] = []  # position behind each record of the last read
        self._free()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Take the reader's lock.

        Unavailable while no writer has made the outbox yet, Refused when it has a reader already.
        """
        lock = -1
        try:
            outbox_id = _identity(folder)
            lock = files.lock(folder, "reader")
            return cls(folder, outbox_id=outbox_id, lock=lock)
        except BaseException as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, OSError):
                raise Unavailable(
                    f"the outbox {folder} can't be opened: {error.strerror}"
                ) from error
            raise

    def read(self, max_records: int, max_bytes: int) -> Sequence[OutboxRecord]:
        """The oldest unacknowledged records, at most so many of both, but one if there is any.

        The same again until they are acknowledged. Does not wait. Raises IntegrityFailure when a
        durable record can't be read, Unavailable when the disk fails.
        """
        try:
            return self._collect(max_records, max_bytes)
        except OSError as error:
            raise Unavailable(
                f"the outbox {self._folder} can't be read: {error.strerror}"
            ) from error

    def acknowledge(self, sequence: int) -> None:
        """Forget all records up to `sequence`, which the last `read` returned.

        Durable when it returns; frees whole segments.
        """
        if sequence <= self._position.sequence:
            return
        index = sequence - self._position.sequence - 1
        if index >= len(self._read):
            raise InvalidInput(
                f"record {sequence} was not read, it can't be acknowledged", field="sequence"
            )
        try:
            self._acknowledged.write(self._read[index])
            self._position, self._read = self._read[index], self._read[index + 1 :]
            gauge("outbox_acknowledged_sequence").set(sequence)
            self._free()
        except OSError as error:
            raise Unavailable(
                f"the outbox {self._folder} can't be written: {error.strerror}"
            ) from error

    def status(self) -> OutboxStatus:
        """Numbers as of now.

        `bytes` counts whole segments up to the one that is written, and is 0 when all is
        acknowledged. Raises Unavailable when the disk fails.
        """
        try:
            return self._status()
        except OSError as error:
            raise Unavailable(
                f"the outbox {self._folder} can't be read: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Close the files and give the lock back."""
        if self._lock < 0:
            return
        self._durable.close()
        self._acknowledged.close()
        os.close(self._lock)
        self._lock = -1

    def _status(self) -> OutboxStatus:
        accepted = max(self._durable.read(), self._position.sequence)
        waiting = 0
        if self._position.sequence < accepted:
            held = [
                first for first in files.segments(self._folder) if first >= self._position.segment
            ]
            waiting = (
                sum(files.segment_path(self._folder, first).stat().st_size for first in held)
                - self._position.offset
            )
        return OutboxStatus(self.outbox_id, accepted, self._position.sequence, max(0, waiting))

    def _collect(self, max_records: int, max_bytes: int) -> list[OutboxRecord]:
        found: list[OutboxRecord] = []
        size = 0
        self._read = []
        for record, position in self._unacknowledged():
            size += len(record.payload)
            if found and size > max_bytes:
                break
            found.append(record)
            self._read.append(position)
            if len(found) >= max_records:
                break
        return found

    def _unacknowledged(self) -> Iterator[tuple[OutboxRecord, Acknowledged]]:
        """Every durable record behind the acknowledged position, with the position behind it."""
        # Read before the list of segments: every record up to here is in a segment of that list.
        durable = self._durable.read()
        position = self._position
        firsts = files.segments(self._folder) if position.sequence < durable else []
        while position.sequence < durable:
            index = bisect_right(firsts, position.sequence + 1) - 1
            if index < 0 or (
                firsts[index] != position.segment and firsts[index] != position.sequence + 1
            ):
                raise self._unreadable(position.sequence + 1, durable)
            last = min(durable, firsts[index + 1] - 1) if index + 1 < len(firsts) else durable
            for record, behind in self._in_segment(firsts[index], position):
                position = behind
                yield record, behind
                if record.sequence == last:
                    break
            if position.sequence < last:
                raise self._unreadable(position.sequence + 1, durable)

    def _in_segment(
        self, first: int, position: Acknowledged
    ) -> Iterator[tuple[OutboxRecord, Acknowledged]]:
        offset = position.offset if first == position.segment else 0
        file = os.open(files.segment_path(self._folder, first), os.O_RDONLY | os.O_CLOEXEC)
        try:
            for record in records(file, offset, position.sequence + 1):
                offset += frame_bytes(record.payload)
                yield record, Acknowledged(record.sequence, first, offset)
        finally:
            os.close(file)

    def _unreadable(self, sequence: int, durable: int) -> IntegrityFailure:
        return IntegrityFailure(
            f"record {sequence} of the outbox {self._folder} can't be read, "
            f"though records up to {durable} are durable",
            fix=files.AFTER_A_LOSS,
        )

    def _free(self) -> None:
        """Give back segments that are acknowledged whole.

        One is kept for the writer's next segment, the others are removed.
        """
        firsts = files.segments(self._folder)
        for first, following in pairwise(firsts):  # never the last one: the writer is in it
            if following > self._position.sequence + 1:
                return
            path, spare = files.segment_path(self._folder, first), self._folder / files.SPARE
            if spare.exists():
                path.unlink()
            else:
                path.rename(spare)


def _identity(folder: Path) -> str:
    found = files.identity(folder)
    if found is None:
        raise Unavailable(
            f"there is no outbox in {folder} yet", fix="serving makes it when it starts"
        )
    return found
