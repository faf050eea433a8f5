"""A server as a tree of processes: started, measured, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_END_S = 10.0


class ProcessTree:
    """A process with all its descendants."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._root = subprocess.Popen(
                arguments,
                env={**os.environ, **environment},
                cwd=folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def ended(self) -> bool:
        """Whether the first process is gone."""
        return self._root.poll() is not None

    def processor_s(self) -> float:
        """Processor time of all that live, and of the children that they have waited for."""
        return sum(map(processor_s, self._all()))

    def memory_mib(self) -> float:
        """Memory of all; what they share is counted once."""
        return sum(map(_proportional_kib, self._all())) / 1024

    def end(self) -> None:
        """SIGTERM to the first; after ten seconds SIGKILL to every one that is left."""
        family = self._all()
        self._root.terminate()
        try:
            self._root.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._root.kill()
            self._root.wait()
        end = time.monotonic() + _END_S
        while left := [pid for pid in family[1:] if Path(f"/proc/{pid}").exists()]:
            if time.monotonic() > end:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.02)

    def _all(self) -> list[int]:
        """The first process first."""
        parents = _parents()
        family = [self._root.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family


def _parents() -> dict[int, int]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(_fields(path.read_text())[1])
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return found


def processor_s(pid: int) -> float:
    """Processor time that a process has used so far; 0 when there is none."""
    try:
        times = _fields(Path(f"/proc/{pid}/stat").read_text())[11:15]
    except OSError:
        return 0.0
    return sum(map(int, times)) / _TICK


def _fields(stat: str) -> list[str]:
    """Those behind the name, which may hold blanks: state, parent, …."""
    return stat.rsplit(")", 1)[1].split()


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
