"""The memory of a stack: the proportional share (PSS) of its processes, which counts pages once."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def by_root(roots: Iterable[int]) -> dict[int, int]:
    """Bytes of each of these processes with all of its descendants.

    Where the system has no PSS (macOS) it is the resident size.
    """
    parents, resident = _table()
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    return {root: sum(_share(pid, resident) for pid in _tree(root, children)) for root in roots}


def own(pid: int) -> int:
    """Bytes of one process without its descendants."""
    return _share(pid, _table()[1])


def _tree(root: int, children: dict[int, list[int]]) -> list[int]:
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _share(pid: int, resident: dict[int, int]) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # no such file system, another user's or a hidden process, or it is gone
        return resident.get(pid, 0) or _resident(pid)
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _resident(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _table() -> tuple[dict[int, int], dict[int, int]]:
    """Parent of every process, and its resident bytes where that is the only figure to be had."""
    if sys.platform != "linux":
        answer = subprocess.run(
            ["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
        )
        rows = [[int(word) for word in line.split()] for line in answer.stdout.splitlines()]
        return {pid: parent for pid, parent, _ in rows}, {pid: size * 1024 for pid, _, size in rows}
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # ended between the listing and the read
    return parents, {}
