"""What the disk damaged: named for good in `damaged.json`, its bytes kept in the folder `damaged`.

The reader writes the file before it goes on behind a damage, so a record is either sent or named.
Both are for a person and for the balance; removing them after an inspection harms nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from mlplatform.durable import write_whole
from mlplatform.outbox import folder as files
from mlplatform.outbox.identity import Identity
from mlplatform.outbox.record import Damage, DamagedRecords
from mlplatform.telemetry import logger

MOST = 100
"""Damages that are listed; each may be a range. More are only logged."""
LIST = "damaged.json"
_ASIDE = "damaged"
_MOST_BYTES = 1024 * 1024  # of one piece: more than any record that the queue takes
_MOST_FILES = 32
_log = logger("outbox")


def load(folder: Path) -> list[Damage]:
    """What was named so far. An unreadable file counts as none, which is logged."""
    try:
        text = (folder / LIST).read_bytes()
        return [
            Damage(**{key: int(value) for key, value in each.items()}) for each in json.loads(text)
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        _log.error(
            "the list of damaged records can't be read; remove it",
            file=str(folder / LIST),
            error=str(error),
        )
        return []


def named(folder: Path, identity: Identity) -> tuple[DamagedRecords, ...]:
    """The same under the identities that the numbers were given under."""
    found = []
    for each in load(folder):
        outbox_id, first = identity.name(each.first)
        last = first + each.last - each.first
        file = files.segment_path(folder, each.segment).name
        found.append(DamagedRecords(outbox_id, first, last, file, each.offset))
    return tuple(found)


def name(folder: Path, damage: Damage) -> bool:
    """Name it, durably; False when it was named before. Raises OSError."""
    known = load(folder)
    if damage in known:
        return False
    if len(known) < MOST:
        write_whole(folder / LIST, json.dumps([asdict(each) for each in [*known, damage]]).encode())
    return True


def keep(folder: Path, segment: int, offset: int, end: int, kind: str) -> Path | None:
    """Keep bytes of a segment aside; where they lie, or None when there are none or no room.

    Leading bytes only, and the oldest pieces go when there are too many.
    """
    aside = folder / _ASIDE / f"{segment:020d}-{offset}.{kind}"
    # On a disk that is full or failing it is better to go on without the bytes than to stop.
    with contextlib.suppress(OSError):
        data = _bytes(files.segment_path(folder, segment), offset, end)
        if not data:
            return None
        files.make(aside.parent)
        pieces = sorted(aside.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in pieces[: max(0, len(pieces) - _MOST_FILES + 1)]:
            path.unlink()
        write_whole(aside, data)
        return aside
    return None


def _bytes(path: Path, offset: int, end: int) -> bytes:
    """The piece up to its last byte that is not zero."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(file, max(0, min(end - offset, _MOST_BYTES)), offset).rstrip(b"\0")
    finally:
        os.close(file)
