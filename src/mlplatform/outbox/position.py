"""Two small files by which writer and reader know how far the other is.

`durable` is written after each fdatasync of the writer and is itself never synced: it only has to
be visible to the reader, and a value that a power failure sets back is too low, never too high. The
writer sets it right when it opens the outbox.

`acknowledged` must outlive a power failure, or records are sent twice (which the raw database would
sort out): two slots are written in turn and synced, so that one of them is whole at any time, also
under the eyes of the other process.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

_DURABLE = struct.Struct("<QI")
_SLOT = struct.Struct("<QQQQI")
_SLOT_DISTANCE = 4096  # slots in different disk blocks: a torn write hurts one of them
_TRIES = 1000


class DurableMark:
    """Number of the last synced record."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "durable", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, sequence: int) -> None:
        """Publish a number to the reader."""
        data = struct.pack("<Q", sequence)
        os.pwrite(self._file, data + struct.pack("<I", zlib.crc32(data)), 0)

    def sync(self) -> None:
        """Bring it to the disk, so that a power failure can set it back but not remove it."""
        os.fsync(self._file)

    def read(self) -> int | None:
        """The published number; None when the file is empty or damaged."""
        # A read may fall into a write: the checksum shows it, and the next read finds it whole.
        for _ in range(_TRIES):
            data = os.pread(self._file, _DURABLE.size, 0)
            if not data:
                return None
            if len(data) == _DURABLE.size and zlib.crc32(data[:8]) == _DURABLE.unpack(data)[1]:
                return int(_DURABLE.unpack(data)[0])
        return None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The last acknowledged record and where the next one lies.

    That is in `segment` at byte `offset`, or in a later segment.
    """

    sequence: int = 0
    segment: int = 0
    offset: int = 0


class AcknowledgedFile:
    """The reader's position: written by the reader, read by both."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "acknowledged", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._generation = self._read()[0]

    def read(self) -> Acknowledged | None:
        """The newest whole position, the first one for an empty file; None for a damaged one."""
        generation, position = self._read()
        empty = not os.fstat(self._file).st_size
        return position if generation or empty else None

    def write(self, position: Acknowledged) -> None:
        """Store a position, durably, beside the one before."""
        generation = self._generation + 1
        body = struct.pack(
            "<QQQQ", generation, position.sequence, position.segment, position.offset
        )
        os.pwrite(
            self._file,
            body + struct.pack("<I", zlib.crc32(body)),
            (generation % 2) * _SLOT_DISTANCE,
        )
        os.fdatasync(self._file)
        self._generation = generation

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _read(self) -> tuple[int, Acknowledged]:
        newest = (0, Acknowledged())
        for slot in (0, 1):
            data = os.pread(self._file, _SLOT.size, slot * _SLOT_DISTANCE)
            if len(data) < _SLOT.size:
                continue
            generation, sequence, segment, offset, checksum = _SLOT.unpack(data)
            if checksum == zlib.crc32(data[:-4]) and generation > newest[0]:
                newest = (generation, Acknowledged(sequence, segment, offset))
        return newest
