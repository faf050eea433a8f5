"""Reading frames of one segment file in order."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mlplatform.outbox.record import OutboxRecord, frame_bytes, parse

_CHUNK = 1024 * 1024


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
        more = os.pread(file, max(found, _CHUNK), offset)
        if len(more) <= len(data):
            return
        data = memoryview(more)


def end_of_segment(file: int, first: int) -> tuple[int, int]:
    """Where the frames of a segment end, and the number that the next record would have."""
    offset, sequence = 0, first
    for record in records(file, 0, first):
        offset += frame_bytes(record.payload)
        sequence = record.sequence + 1
    return offset, sequence
