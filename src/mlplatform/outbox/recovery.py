"""Where the records of an outbox end, when its writer opens it again."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from mlplatform.outbox import damage as damages
from mlplatform.outbox import folder as files
from mlplatform.outbox.record import HEADER_BYTES, Damage
from mlplatform.outbox.scan import LAST_SEQUENCE, judged
from mlplatform.telemetry import logger

_log = logger("outbox")


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """The last segment, open for writing at `offset`, where `next_sequence` belongs.

    `last` is the payload of the record before that, where the folder has it.
    """

    file: int
    first: int
    size: int
    offset: int
    next_sequence: int
    last: bytes | None = None


def last_segment(folder: Path, known: int) -> SegmentEnd | None:
    """Open the last segment and remove what lies behind its last whole record; None without one.

    The rest is synced: otherwise a later crash could bring half of it back. Records up to `known`
    were durable. A damaged record in front of a whole one is left to the reader, which names it.
    Raises OSError.
    """
    for name in files.strays(folder):
        _log.warning("not a file of the outbox, left alone", file=str(folder / name))
    firsts = files.segments(folder)
    while firsts:
        end = _opened(folder, firsts.pop())
        try:
            if not (firsts and _is_foreign(folder, end, firsts[-1], known)):
                _cut(folder, files.segment_path(folder, end.first), end, known)
                return end if end.offset else replace(end, last=_last_before(folder, end, firsts))
            _move_away(files.segment_path(folder, end.first))
        except BaseException:
            os.close(end.file)
            raise
        os.close(end.file)
    return None


def _is_foreign(folder: Path, end: SegmentEnd, before: int, known: int) -> bool:
    """Whether nothing in this segment, in front of it or in the marks fits its name.

    Somebody's copy; numbers that go on from its name would leave out those between.
    """
    if end.offset or end.first <= known + 1:
        return False
    previous = _opened(folder, before)
    os.close(previous.file)
    return previous.next_sequence < end.first


def _last_before(folder: Path, end: SegmentEnd, firsts: list[int]) -> bytes | None:
    """The last record where the last segment has none yet: that of the segment before it."""
    if not firsts:
        return None
    previous = _opened(folder, firsts[-1])
    os.close(previous.file)
    return previous.last if previous.next_sequence == end.first else None


def _move_away(path: Path) -> None:
    aside = path.with_name(f"{path.name}.stray")
    path.rename(aside)
    _log.error("not a segment of this outbox, moved away", file=str(path), kept=str(aside))


def _opened(folder: Path, first: int) -> SegmentEnd:
    path = files.segment_path(folder, first)
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _end(file, first, path)
    except BaseException:
        os.close(file)
        raise


def _end(file: int, first: int, path: Path) -> SegmentEnd:
    offset, following, last = 0, first, None
    for item, behind in judged(file, first, 0, first, LAST_SEQUENCE):
        offset = behind
        following = (item.last if isinstance(item, Damage) else item.sequence) + 1
        last = None if isinstance(item, Damage) else item.payload
        if isinstance(item, Damage):
            _log.error(
                "damaged records in the outbox: those behind them are whole",
                first=item.first,
                last=item.last,
                file=str(path),
                offset=item.offset,
            )
    return SegmentEnd(file, first, os.fstat(file).st_size, offset, following, last)


def _cut(folder: Path, path: Path, end: SegmentEnd, known: int) -> None:
    kept = damages.keep(folder, end.first, end.offset, end.size, "cut")
    if kept is not None:
        # Mostly what the segment held from its use before, or a batch that a crash cut short.
        lost = known >= end.next_sequence
        (_log.error if lost else _log.info)(
            "the end of a segment was cut behind its last whole record",
            file=str(path),
            offset=end.offset,
            next=end.next_sequence,
            durable=known,
            kept=str(kept),
        )
    os.ftruncate(end.file, end.offset)
    os.posix_fallocate(end.file, 0, max(end.size, end.offset + HEADER_BYTES))
    os.fsync(end.file)
