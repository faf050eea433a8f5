"""What goes in and out of an outbox, and how a record lies in its file.

A frame is `magic, length, sequence, checksum` (little-endian, 20 bytes) and the payload. The
checksum (CRC-32) covers length, sequence and payload, so a frame that lies at the wrong place of
the log is as bad as one with a flipped bit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

MAGIC = 0x31424F4D  # "MOB1": also the version of the format
_HEADER = struct.Struct("<IIQI")
_COVERED = struct.Struct("<IQ")
HEADER_BYTES = _HEADER.size


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """One payload with its number; numbers are 1, 2, 3 … without gaps within an outbox."""

    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """The last number accepted, the last one that the queue acknowledged, the bytes between."""

    outbox_id: str
    accepted: int
    acknowledged: int
    bytes: int


def frame(sequence: int, payload: bytes) -> bytes:
    """Header and payload of one record."""
    return _HEADER.pack(MAGIC, len(payload), sequence, _checksum(sequence, payload)) + payload


def frames(first: int, payloads: Sequence[bytes]) -> bytes:
    """The frames of consecutive records, ready for one write."""
    return b"".join(frame(first + index, payload) for index, payload in enumerate(payloads))


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


def _checksum(sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_COVERED.pack(len(payload), sequence)))
