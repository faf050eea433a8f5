"""Files that survive a power failure.

A file's bytes and the names in its folder are written by the kernel separately, so both are synced.
"""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file's bytes, or the names that were added to or removed from a folder, to the disk.

    Blocks; raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it holds all of `data` or what it held before.

    Only its owner may read it. Raises OSError.
    """
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.rename(path)  # only now: the name must never point at bytes that are not on the disk
    sync(path.parent)
