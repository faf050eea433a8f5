"""Builds and runs driver.c."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("driver.c")
Exchange = tuple[bytes, bytes]
"""A request, and the bytes with which its answer must end."""


@dataclass(frozen=True)
class Load:
    """What the driver saw. Latencies in microseconds, of right answers only."""

    answers: int
    failed: int
    differing: int
    elapsed_s: float
    p50_us: float
    p90_us: float
    p99_us: float
    most_us: float
    complaint: str

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return self.answers / self.elapsed_s


class Driver:
    """The compiled driver, and its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = folder / "driver"
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise SystemExit("a C compiler is needed for the load driver: install gcc, or set CC")
        subprocess.run([compiler, "-O2", "-o", self._program, SOURCE], check=True)

    def press(
        self, port: int, exchanges: Sequence[Exchange], *, callers: int, seconds: float, ids: Path
    ) -> Load:
        """That many callers for that long; ids of answers are appended to `ids`."""
        path = self._folder / "requests"
        path.write_bytes(b"".join(map(packed, exchanges)))
        command = [self._program, port, callers, seconds, path, ids]
        found = subprocess.run([str(part) for part in command], capture_output=True, check=False)
        if found.returncode:
            raise RuntimeError(f"the load driver ended: {found.stderr.decode()}")
        return Load(**json.loads(found.stdout))


def packed(exchange: Exchange) -> bytes:
    """As the driver reads it."""
    request, end = exchange
    return struct.pack("=II", len(request), len(end)) + request + end
