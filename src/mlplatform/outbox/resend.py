"""Sending again what the folder still holds, after the queue's offsets were given up.

The queue may have lost what it had acknowledged. The writer's process hears of a reset from the
data API and asks for it here; the reader then goes back to its oldest record. What is stored
already is not stored twice.
"""

from __future__ import annotations

from pathlib import Path

from mlplatform.durable import write_whole

_AGAIN = "again"
_RESETS = "resets"


def request(folder: Path, resets: int) -> bool:
    """Ask the reader, unless this reset was heeded before; `resets` is how many there were.

    Raises OSError.
    """
    if resets <= _heeded(folder):
        return False
    # In this order: what is asked twice is sent twice, what is forgotten would be lost.
    write_whole(folder / _AGAIN, b"")
    write_whole(folder / _RESETS, str(resets).encode())
    return True


def requested(folder: Path) -> bool:
    """Whether the reader is to begin again."""
    return (folder / _AGAIN).exists()


def begun(folder: Path) -> None:
    """The reader has gone back, durably. Raises OSError."""
    (folder / _AGAIN).unlink(missing_ok=True)


def _heeded(folder: Path) -> int:
    try:
        return int((folder / _RESETS).read_bytes())
    except (FileNotFoundError, ValueError):  # lost or damaged: sending again does no harm
        return 0
