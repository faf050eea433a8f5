"""Records that are acknowledged here although the queue does not hold them.

The reader goes on behind a record that the disk damaged, and behind one that the queue refuses for
its size. Both are named in the folder before that, so whoever then reads the acknowledged number
finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlplatform.outbox import damage as damages
from mlplatform.outbox import folder as files
from mlplatform.outbox.record import Damage

_Version = tuple[int, int, int] | None


class PassedBy:
    """Those of one folder. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: list[Damage] = []
        self._version: _Version = None  # of the list

    def among(self, numbers: Sequence[int]) -> set[int]:
        """Which of these acknowledged records the queue does not hold.

        Nearly always there are neither damaged nor oversize ones: then this looks for two names.
        """
        oversize = (self._folder / files.OVERSIZE).exists()
        damaged = self._damaged()
        return {
            number
            for number in numbers
            if any(each.first <= number <= each.last for each in damaged)
            or (oversize and files.oversize_path(self._folder, number).exists())
        }

    def _damaged(self) -> Sequence[Damage]:
        """What the list names, read again when it has changed: it is replaced, and only grows."""
        version = _version(self._folder / damages.LIST)
        if version != self._version:
            self._listed = damages.load(self._folder)
            self._version = version
        return self._listed


def _version(path: Path) -> _Version:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
