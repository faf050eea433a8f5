"""A disk so small that it can be filled."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PIECE = 1 << 20


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in `folder`; skips where none can be mounted."""
    argv = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("needs Linux and root, to mount a small file system")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system can't be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(file: Path) -> None:
    """Let `file` take all that is left of its disk."""
    with file.open("ab", buffering=0) as taken:
        for size in (_PIECE, 1 << 12):
            try:
                while True:
                    taken.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
