"""Reading frames of one segment file in order, and around those that are damaged.

A frame that is not whole is damage only when a whole one follows; otherwise it is the torn end of
the segment, or damage for whoever knows that there were more records. A whole frame behind is
known by magic, checksum and a number that fits: the bytes between must have room for the numbers
between. What a segment holds from its use before carries lower numbers. A payload could only
pass for a frame if a client could choose its bytes; our payloads are JSON, and a frame's header
has zero bytes, which JSON has not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from mlplatform.outbox.record import (
    END_BYTES,
    HEADER_BYTES,
    MAGIC_BYTES,
    Damage,
    OutboxRecord,
    ends_before,
    frame_bytes,
    header,
    parse,
)

_CHUNK = 1024 * 1024
LAST_SEQUENCE = 2**63 - 1


def records(file: int, offset: int, sequence: int) -> Iterator[OutboxRecord]:
    """Whole records from `offset` on, numbered from `sequence` on.

    Ends at the first frame that is not whole or not the next.
    """
    data = memoryview(b"")
    while True:
        found = parse(data, sequence)
        if isinstance(found, OutboxRecord):
            step = frame_bytes(found.payload)
            data, offset, sequence = data[step:], offset + step, sequence + 1
            yield found
            continue
        if found <= len(data):
            return
        # A damaged length asks for up to 4 GiB: no more is read than there is.
        room = max(0, os.fstat(file).st_size - offset)
        more = os.pread(file, min(max(found, _CHUNK), room), offset)
        if len(more) <= len(data):
            return
        data = memoryview(more)


def judged(
    file: int, first: int, offset: int, sequence: int, last: int
) -> Iterator[tuple[OutboxRecord | Damage, int]]:
    """Records `sequence` to `last` of the segment `first`, each with the byte behind it.

    Begins at byte `offset`. Damage comes where records can't be read and a whole one follows; ends
    where none does.
    """
    while sequence <= last:
        for record in records(file, offset, sequence):
            offset, sequence = offset + frame_bytes(record.payload), sequence + 1
            yield record, offset
            if sequence > last:
                return
        found = _next_whole(file, offset, sequence, last)
        if found is None:
            return
        behind, number = found
        if number > sequence:
            yield Damage(sequence, number - 1, first, offset, behind), behind
        offset, sequence = behind, number


def _next_whole(file: int, offset: int, sequence: int, last: int) -> tuple[int, int] | None:
    """Where the next whole record (or end mark) behind `offset` lies, and its number.

    None when there is none, and when the end mark lies right here.
    """
    for at in _candidates(file, offset):
        data = os.pread(file, HEADER_BYTES, at)
        end = ends_before(data)
        if end is not None and end >= sequence:
            return None if at == offset else (at, min(end, last + 1))
        number = _whole(file, at, data)
        if number is None or not sequence <= number <= last:
            continue
        if (number - sequence) * HEADER_BYTES <= at - offset:
            return at, number
    return None


def _whole(file: int, at: int, data: bytes) -> int | None:
    found = header(data)
    if found is None or at + found[1] > os.fstat(file).st_size:
        return None
    frame = memoryview(os.pread(file, found[1], at))
    return found[0] if isinstance(parse(frame, found[0]), OutboxRecord) else None


def _candidates(file: int, offset: int) -> Iterator[int]:
    """Bytes at which a frame or an end mark may begin."""
    overlap = len(MAGIC_BYTES) - 1
    while len(data := os.pread(file, _CHUNK, offset)) > overlap:
        at = -1
        while (at := _earliest(data, at + 1)) >= 0:
            yield offset + at
        offset += len(data) - overlap


def _earliest(data: bytes, start: int) -> int:
    found = [at for magic in (MAGIC_BYTES, END_BYTES) if (at := data.find(magic, start)) >= 0]
    return min(found, default=-1)
