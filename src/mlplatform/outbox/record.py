"""What goes in and out of an outbox, and how a record lies in its file.

A frame is `magic, length, sequence, checksum` (little-endian, 20 bytes) and the payload. The
checksum (CRC-32) covers length, sequence and payload, so a frame that lies at the wrong place of
the log is as bad as one with a flipped bit.

An end mark is a header of its own magic, without a payload: whatever lies behind it was given up by
the writer, and nobody reads it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

MAGIC = 0x31424F4D  # "MOB1": also the version of the format
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
_END_MAGIC = 0x31454F4D  # "MOE1"
END_BYTES = _END_MAGIC.to_bytes(4, "little")
_HEADER = struct.Struct("<IIQI")
_COVERED = struct.Struct("<IQ")
HEADER_BYTES = _HEADER.size


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """One payload with its number; numbers are 1, 2, 3 … without gaps within an outbox."""

    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Records that can't be read: their numbers, and where they lie or should lie."""

    first: int
    last: int
    segment: int
    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class DamagedRecords:
    """A damage under the identity that its numbers were given under."""

    outbox_id: str
    first: int
    last: int
    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """The last number accepted, the last one that the queue acknowledged, the bytes between."""

    outbox_id: str
    accepted: int
    acknowledged: int
    bytes: int
    damaged: tuple[DamagedRecords, ...] = ()
    former: tuple[OutboxStatus, ...] = ()  # of the folder's identities before this one


def frame(sequence: int, payload: bytes) -> bytes:
    """Header and payload of one record."""
    return frames(sequence, [payload])


def frames(first: int, payloads: Sequence[bytes]) -> bytes:
    """The frames of consecutive records, ready for one write."""
    parts: list[bytes] = []
    for sequence, payload in enumerate(payloads, first):
        head = _HEADER.pack(MAGIC, len(payload), sequence, _checksum(sequence, payload))
        parts += (head, payload)
    return b"".join(parts)


def frame_bytes(payload: bytes) -> int:
    """Bytes that a payload takes in its file."""
    return HEADER_BYTES + len(payload)


def parse(data: memoryview, sequence: int) -> OutboxRecord | int:
    """The record at the start of `data`, if it is whole and has that number.

    Otherwise how many bytes would be needed to know (more than `data` has), or 0 when this is no
    such frame.
    """
    if len(data) < HEADER_BYTES:
        return HEADER_BYTES
    magic, length, found, checksum = _HEADER.unpack_from(data)
    if magic != MAGIC or found != sequence:
        return 0
    end = HEADER_BYTES + length
    if len(data) < end:
        return int(end)
    payload = bytes(data[HEADER_BYTES:end])
    return OutboxRecord(sequence, payload) if checksum == _checksum(sequence, payload) else 0


def end_mark(sequence: int) -> bytes:
    """What says that the records of a segment end before `sequence`."""
    return _HEADER.pack(_END_MAGIC, 0, sequence, _checksum(sequence, b""))


def header(data: bytes) -> tuple[int, int] | None:
    """Number of a record and bytes of its frame, by its header alone; None when it is none."""
    if len(data) < HEADER_BYTES:
        return None
    magic, length, sequence, _ = _HEADER.unpack_from(data)
    return (sequence, HEADER_BYTES + length) if magic == MAGIC else None


def ends_before(data: bytes) -> int | None:
    """The number that an end mark at the start of `data` carries; None when there is none."""
    if len(data) < HEADER_BYTES:
        return None
    sequence = int(_HEADER.unpack_from(data)[2])
    return sequence if data[:HEADER_BYTES] == end_mark(sequence) else None


def _checksum(sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_COVERED.pack(len(payload), sequence)))
