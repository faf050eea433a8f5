"""The files of an outbox.

    identity                    {"format": 1, "outbox_id": UUID}, written once
    writer.lock, reader.lock    held (flock) by the one writer and the one reader
    durable                     number of the last synced record, by the writer (position.py)
    acknowledged                position of the last acknowledged one, by the reader (position.py)
    <first sequence>.segment    frames (record.py); a record never lies in two segments
    spare                       a freed segment that becomes the writer's next one: overwriting is
                                faster than making a new file

A segment ends where the next one begins: frames that carry the next segment's first number or a
later one are what a failed append left behind, and nobody reads them.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from pathlib import Path

from mlplatform.durable import sync, write_whole
from mlplatform.errors import IntegrityFailure, Refused

FORMAT = 1
SPARE = "spare"
AFTER_A_LOSS = (
    "the disk lost or changed data: keep the folder for inspection and start with an empty one; "
    "the balance will name what is missing"
)
"""What to do when durable records can't be read."""
_SUFFIX = ".segment"


def segment_path(folder: Path, first: int) -> Path:
    """File of the segment that begins with that number."""
    return folder / f"{first:020d}{_SUFFIX}"


def segments(folder: Path) -> list[int]:
    """First numbers of all segments, ascending."""
    return sorted(int(path.stem) for path in folder.iterdir() if path.suffix == _SUFFIX)


def make(folder: Path) -> None:
    """Make the folder, durably."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


def lock(folder: Path, role: str) -> int:
    """Take the exclusive lock of `role` (writer or reader) and return its descriptor.

    The kernel drops it when the process ends, however it ends. Raises Refused when another process
    holds it.
    """
    descriptor = os.open(folder / f"{role}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Refused(
            f"the outbox {folder} already has a {role}",
            fix=f"one {role} per outbox: stop the other process or use another folder",
        ) from error
    return descriptor


def identity(folder: Path) -> str | None:
    """The outbox's UUID, or None when it has none yet.

    Raises IntegrityFailure for an unreadable file.
    """
    try:
        text = (folder / "identity").read_text()
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise IntegrityFailure(
                f"the outbox {folder} has format {found['format']}, this version reads {FORMAT}"
            )
        return str(uuid.UUID(found["outbox_id"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityFailure(
            f"the identity file of the outbox {folder} can't be read",
            fix="move the folder away; keep it, its requests may be unsent",
        ) from error


def make_identity(folder: Path) -> str:
    """Give the outbox a new UUID, durably."""
    outbox_id = str(uuid.uuid4())
    write_whole(
        folder / "identity", json.dumps({"format": FORMAT, "outbox_id": outbox_id}).encode()
    )
    return outbox_id
