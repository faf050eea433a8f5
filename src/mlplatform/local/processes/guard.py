"""Ends the processes that a killed supervisor left.

A supervisor starts this file as a script and holds the other end of its standard input. When the
supervisor ends (even by SIGKILL) the kernel closes that end, and the guard ends every process group
that the process file still lists: the stop signal first, SIGKILL after a grace. On Linux the kernel
has sent the children their stop signal by then; grandchildren, and children that ignore the signal,
are left for the guard. The same `clean` runs at the next start, in case the guard was killed as
well.

    guard.py PROCESS_FILE GRACE_SECONDS
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listed:
    """A running child as the process file lists it.

    It leads a process group of its own, whose id is its pid.
    """

    name: str
    pid: int
    born: str  # distinguishes it from a later process of the same pid
    stop_signal: int


def write(path: Path, children: Iterable[Listed]) -> None:
    """Replace the process file in one step; a reader sees the old list or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(child) for child in children]))
    fresh.replace(path)


def read(path: Path) -> list[Listed]:
    """The children that the file lists; none when there is no file.

    Raises OSError and ValueError for a file that was never written by us.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        found = [Listed(**child) for child in json.loads(data)]
    except TypeError as error:
        raise ValueError(f"no list of processes: {error}") from error
    if not all(type(child.pid) is int and child.pid > 1 for child in found):
        raise ValueError("no list of processes: a pid is none")
    return found


def born(pid: int) -> str:
    """When that process began, as a word to compare; empty when it has ended (or is a zombie)."""
    if sys.platform == "linux":
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if words[0] in ("Z", "X") else words[19]
    found = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, began = found.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else began.strip()


def clean(path: Path, *, grace_s: float, known: Callable[[Listed], bool]) -> list[str]:
    """End the listed children that `known` accepts, with all of their groups.

    Returns their names; the file is gone afterwards.
    """
    left = [child for child in read(path) if known(child) and signal_group(child.pid, 0)]
    for child in left:
        signal_group(child.pid, child.stop_signal)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(signal_group(child.pid, 0) for child in left):
        time.sleep(0.05)
    for child in left:
        signal_group(child.pid, signal.SIGKILL)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    return [child.name for child in left]


def signal_group(leader: int, number: int) -> bool:
    """Send a signal to a whole process group; False when no process is left in it."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM when only zombies are left
        return False
    return True


def main() -> None:
    """Wait for the end of the supervisor, then clean."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C must not end it before the supervisor
    sys.stdin.buffer.read()
    # The children were alive a moment ago, so no other process can have got their ids yet.
    try:
        clean(Path(sys.argv[1]), grace_s=float(sys.argv[2]), known=lambda _: True)
    except (OSError, ValueError) as error:
        sys.exit(f"can't read {sys.argv[1]}: {error}; processes may be left")


if __name__ == "__main__":
    main()
