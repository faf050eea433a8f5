"""The reading end of an outbox.

The reader sees a record when the writer has synced it and published its number, never before: what
it ships can't vanish from the writer's numbering afterwards. It works without a living writer on
what was published; a mark that a power failure set back (position.py) hides the newest records
until the writer opens the outbox again.

A record that can't be read is named (damage.py) and gone around; what follows it is read.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

from mlplatform.errors import IntegrityFailure, InvalidInput, Unavailable
from mlplatform.outbox import damage as damages
from mlplatform.outbox import folder as files
from mlplatform.outbox import identity as identities
from mlplatform.outbox import resend
from mlplatform.outbox.identity import Identity
from mlplatform.outbox.position import Acknowledged, AcknowledgedFile, DurableMark
from mlplatform.outbox.record import Damage, OutboxRecord, OutboxStatus
from mlplatform.outbox.scan import judged
from mlplatform.telemetry import counter, gauge, logger

_log = logger("outbox")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to read on: records `sequence` to `last` in a segment, from a byte on."""

    segment: int
    offset: int
    sequence: int
    last: int


class OutboxReader:
    """Reads the oldest records, and forgets those that are acknowledged.

    One per folder, used by one thread; methods may block on the disk.
    """

    def __init__(self, folder: Path, *, identity: Identity, lock: int) -> None:
        """Use `open`."""
        self._identity = identity
        self._folder = folder
        self._lock = lock
        self._durable = DurableMark(folder)
        self._acknowledged = AcknowledgedFile(folder)
        self._position = self._begin()
        self._read: list[Acknowledged] = []  # position behind each record of the last read
        self._free()

    @property
    def outbox_id(self) -> str:
        """The identity as of the opening."""
        return self._identity.outbox_id

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Take the reader's lock.

        Unavailable while no writer has made the outbox yet, Refused when it has a reader already.
        """
        lock = -1
        try:
            identity = _identity(folder)
            lock = files.lock(folder, "reader")
            return cls(folder, identity=identity, lock=lock)
        except BaseException as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, OSError):
                at = error.filename or folder
                raise Unavailable(
                    f"the outbox {folder} can't be opened: {at}: {error.strerror}",
                    fix=files.way_out(error),
                ) from error
            raise

    def read(self, max_records: int, max_bytes: int) -> Sequence[OutboxRecord]:
        """The oldest unacknowledged records, at most so many of both, but one if there is any.

        The same again until they are acknowledged; after a reset of the queue, from the oldest that
        is left. Does not wait. Damaged records are named and left out. Raises Unavailable when the
        disk fails, or the writer's mark is damaged.
        """
        try:
            if resend.requested(self._folder):
                self._begin_again()
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
        behind, rest = self._read[index], self._read[index + 1 :]
        try:
            self._move(behind)
            self._read = rest
        except OSError as error:
            raise Unavailable(
                f"the outbox {self._folder} can't be written: {error.strerror}"
            ) from error

    def status(self) -> OutboxStatus:
        """Numbers of the folder as of now.

        `bytes` counts whole segments up to the one that is written, and is 0 when all is
        acknowledged. Raises Unavailable when the disk fails.
        """
        try:
            return self._status()
        except OSError as error:
            raise Unavailable(
                f"the outbox {self._folder} can't be read: {error.strerror}"
            ) from error

    def name(self, sequence: int) -> tuple[str, int]:
        """Identity and number of a record whose payload does not tell them."""
        try:
            self._identity = identities.load(self._folder) or self._identity
        except (IntegrityFailure, OSError):  # the one that was read before will do
            _log.warning("the outbox's identity can't be read", folder=str(self._folder))
        return self._identity.name(sequence)

    def close(self) -> None:
        """Close the files and give the lock back."""
        if self._lock < 0:
            return
        self._durable.close()
        self._acknowledged.close()
        os.close(self._lock)
        self._lock = -1

    def _begin(self) -> Acknowledged:
        """Where to begin: only what was acknowledged is ever freed."""
        position, firsts = self._acknowledged.read(), files.segments(self._folder)
        oldest = firsts[0] if firsts else 1
        if position is not None and (position.sequence or oldest == 1):
            return position
        _log.error(
            "the outbox's file `acknowledged` is lost or damaged: all that is left is sent again",
            folder=str(self._folder),
            first=oldest,
        )
        return Acknowledged(oldest - 1, oldest, 0)

    def _begin_again(self) -> None:
        """Back to the oldest record that is left, though the queue has acknowledged it."""
        firsts = files.segments(self._folder)
        if firsts and firsts[0] <= self._position.sequence:
            self._move(Acknowledged(firsts[0] - 1, firsts[0], 0))
        resend.begun(self._folder)

    def _published(self) -> int:
        durable = self._durable.read()
        if durable is None:
            if not files.segments(self._folder):
                return 0
            raise Unavailable(
                f"the file {self._folder / 'durable'} is lost or damaged",
                fix="serving writes it anew with the next request, or when it is started again",
            )
        return durable

    def _status(self) -> OutboxStatus:
        accepted = max(self._published(), self._position.sequence)
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
        for item, position in self._unacknowledged():
            if isinstance(item, Damage):
                if found:  # next time: what is acknowledged as one batch has no holes
                    break
                self._pass_by(item, position)
                continue
            size += len(item.payload)
            if found and size > max_bytes:
                break
            found.append(item)
            self._read.append(position)
            if len(found) >= max_records:
                break
        return found

    def _pass_by(self, damage: Damage, behind: Acknowledged) -> None:
        """Name what can't be read, durably, and only then go on behind it."""
        if damages.name(self._folder, damage):
            outbox_id, first = self.name(damage.first)
            aside = damages.keep(self._folder, damage.segment, damage.offset, damage.end, "damaged")
            counter("outbox_damaged_records_total").inc(damage.last - damage.first + 1)
            _log.error(
                "records of the outbox can't be read and are left out",
                outbox_id=outbox_id,
                first=first,
                last=first + damage.last - damage.first,
                file=str(files.segment_path(self._folder, damage.segment)),
                offset=damage.offset,
                kept=str(aside) if aside else None,
            )
        self._move(behind)

    def _move(self, position: Acknowledged) -> None:
        self._acknowledged.write(position)
        self._position = position
        number = max(0, position.sequence - self._identity.base)
        gauge("outbox_acknowledged_sequence").set(number)
        self._free()

    def _unacknowledged(self) -> Iterator[tuple[OutboxRecord | Damage, Acknowledged]]:
        """Every durable record behind the acknowledged position, with the position behind it.

        Instead of records that can't be read there is a Damage.
        """
        # Read before the list of segments: every record up to here is in a segment of that list.
        durable = self._published()
        position = self._position
        firsts = files.segments(self._folder) if position.sequence < durable else []
        while position.sequence < durable:
            place = _place(firsts, position, durable)
            for item, behind in self._in_segment(place, position):
                position = behind
                yield item, behind

    def _in_segment(
        self, place: _Place, position: Acknowledged
    ) -> Iterator[tuple[OutboxRecord | Damage, Acknowledged]]:
        """Everything up to `place.last`, as records or as Damage."""
        sequence, offset = position.sequence, place.offset
        try:
            file = os.open(
                files.segment_path(self._folder, place.segment), os.O_RDONLY | os.O_CLOEXEC
            )
        except FileNotFoundError:
            file = -1
        try:
            found = _judged(file, place, sequence + 1) if file >= 0 else iter(())
            for item, offset in found:
                sequence = item.last if isinstance(item, Damage) else item.sequence
                yield item, Acknowledged(sequence, place.segment, offset)
            if sequence < place.last:
                end = os.fstat(file).st_size if file >= 0 else 0
                yield (
                    Damage(sequence + 1, place.last, place.segment, offset, end),
                    Acknowledged(place.last, place.segment, offset),
                )
        finally:
            if file >= 0:
                os.close(file)

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


def _place(firsts: Sequence[int], position: Acknowledged, durable: int) -> _Place:
    sequence = position.sequence + 1
    index = bisect_right(firsts, sequence) - 1
    last = min(durable, firsts[index + 1] - 1) if index + 1 < len(firsts) else durable
    if index < 0:  # its file is gone, and nothing in front of the first one is left
        return _Place(sequence, 0, sequence, last)
    if firsts[index] == position.segment:
        return _Place(firsts[index], position.offset, sequence, last)
    return _Place(firsts[index], 0, firsts[index], last)


def _judged(file: int, place: _Place, sequence: int) -> Iterator[tuple[OutboxRecord | Damage, int]]:
    """What the segment holds from `sequence` on; all of it when the position's byte is no good."""
    items = judged(file, place.segment, place.offset, place.sequence, place.last)
    first = next(items, None)
    if place.offset and (first is None or isinstance(first[0], Damage)):
        # The position may be from another copy of this folder, whose bytes lay elsewhere.
        items = judged(file, place.segment, 0, place.segment, place.last)
        first = next(items, None)
    while first is not None:
        item, behind = first
        if isinstance(item, Damage) and item.first < sequence <= item.last:
            item = Damage(sequence, item.last, item.segment, item.offset, item.end)
        if (item.last if isinstance(item, Damage) else item.sequence) >= sequence:
            yield item, behind
        first = next(items, None)


def _identity(folder: Path) -> Identity:
    try:
        found = identities.load(folder)
    except IntegrityFailure as error:
        return _without(str(error))
    if found is None and folder.exists() and files.segments(folder):
        return _without(f"the file {folder / 'identity'} is lost")
    if found is None:
        raise Unavailable(
            f"there is no outbox in {folder} yet", fix="serving makes it when it starts"
        )
    return found


def _without(why: str) -> Identity:
    """Records carry their identity themselves, so they can be sent without it."""
    _log.error("the outbox's identity can't be read", error=why)
    return Identity("")
