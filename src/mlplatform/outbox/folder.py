"""The files of an outbox.

    identity                    the UUID that numbers are given under (identity.py)
    incarnation                 the run that owns it, as the data API knows (identity.py)
    writer.lock, reader.lock    held (flock) by the one writer and the one reader
    durable                     number of the last synced record, by the writer (position.py)
    acknowledged                position of the last acknowledged one, by the reader (position.py)
    <first sequence>.segment    frames (record.py); a record never lies in two segments
    spare                       a freed segment that becomes the writer's next one: overwriting is
                                faster than making a new file
    again, resets               what is here is to be sent again, after a reset (resend.py)
    damaged.json, damaged/      what the disk damaged, and what was cut off (damage.py)
    oversize/<sequence>.json    payloads that the queue refuses for their size, by the shipper

A segment ends where the next one begins: frames that carry the next segment's first number or a
later one are what a failed append left behind, and nobody reads them.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from mlplatform.durable import sync
from mlplatform.errors import Refused

SPARE = "spare"
OVERSIZE = "oversize"
_SUFFIX = ".segment"
# Nineteen digits hold every number that the database does.
_SEGMENT = re.compile(rf"0[0-9]{{19}}{re.escape(_SUFFIX)}")


def segment_path(folder: Path, first: int) -> Path:
    """File of the segment that begins with that number."""
    return folder / f"{first:020d}{_SUFFIX}"


def oversize_path(folder: Path, sequence: int) -> Path:
    """File of a payload that was too large for the queue."""
    return folder / OVERSIZE / f"{sequence}.json"


def segments(folder: Path) -> list[int]:
    """First numbers of all segments, ascending. Other files are left alone (`strays`)."""
    return sorted(int(path.stem) for path in folder.iterdir() if _SEGMENT.fullmatch(path.name))


def strays(folder: Path) -> list[str]:
    """Files that look like segments and are none: copies that somebody made."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if _SUFFIX in path.name and not _SEGMENT.fullmatch(path.name)
    )


def of_worker(root: Path, number: int) -> Path:
    """The folder of one of several workers of serving, below that of a single process."""
    return root / f"worker-{number}"


def outboxes(root: Path) -> list[Path]:
    """The outboxes that are there: that of a single process, and those of workers.

    Also of workers that are no more: what they left behind must not be forgotten.
    """
    return [folder for folder in (root, *sorted(root.glob("worker-*"))) if _is_outbox(folder)]


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


def _is_outbox(folder: Path) -> bool:
    return folder.is_dir() and bool((folder / "identity").exists() or segments(folder))


def way_out(error: OSError) -> str:
    """What a person can do about it; nothing when that is the disk's matter."""
    if isinstance(error, IsADirectoryError | NotADirectoryError | PermissionError):
        return "move away what is in its place, or give back its rights"
    return ""
