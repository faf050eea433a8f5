"""Print log files, and go on as they grow."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlplatform.local import home_files

POLL_S = 0.25


class Tail:
    """Reads what is new in a log; begins anew when the file was replaced or emptied."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0

    def last(self, lines: int) -> list[str]:
        """The last lines; later calls of `new` go on after them."""
        found = self.new()
        return found[-lines:] if lines else []

    def new(self) -> list[str]:
        """Whole lines that were added since."""
        try:
            with self._path.open("rb") as file:
                self._restart_if_replaced(file.fileno())
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:  # between two runs
            return []
        except OSError as error:
            fault = error.strerror or str(error)
            raise home_files.damaged(self._path, fault, fix="move it away") from error
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        return data[:whole].decode(errors="replace").splitlines()

    def _restart_if_replaced(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        if found.st_ino != self._inode or found.st_size < self._offset:
            self._inode, self._offset = found.st_ino, 0


def print_logs(logs: Mapping[str, Path], *, lines: int, follow: bool) -> None:
    """Print the last lines of each, behind the name of the process where there are several."""
    width = max((len(name) for name in logs), default=0)
    tails = {name: Tail(path) for name, path in logs.items()}

    def show(name: str, found: list[str]) -> None:
        for line in found:
            print(f"{name:<{width}} | {line}" if len(logs) > 1 else line, flush=follow)

    for name, tail in tails.items():
        show(name, tail.last(lines))
    while follow:
        time.sleep(POLL_S)
        for name, tail in tails.items():
            show(name, tail.new())
