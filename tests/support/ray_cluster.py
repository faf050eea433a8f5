"""A Ray cluster on this machine, in an environment of its own that is made as its image is.

It lies in `.venv-ray` and is made anew when a lock or Python changes. A machine that can't reach a
package index, and has none yet, skips the tests and says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from client_environment import index_answers
from ports import free_port

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-ray"
LOCKS = [ROOT / "requirements" / f"{name}.txt" for name in ("ray", "xgboost", "lightgbm")]
_SIGN = "TEST_OF_RAY"
INSTALL_S, START_S = 900.0, 90.0
OBJECTS = 200_000_000
"""Bytes of Ray's object store: the tables of the tests are small."""


@dataclass
class LocalRay:
    """One node, which is head and worker."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the latest last."""
        found: list[dict[str, Any]] = httpx.get(f"{self.address}/api/jobs/").json()
        return sorted(found, key=lambda job: job["start_time"])

    def log_of(self, job: dict[str, Any]) -> str:
        """What a job has printed."""
        name = job["submission_id"]
        return str(httpx.get(f"{self.address}/api/jobs/{name}/logs").json()["logs"])

    def kill(self) -> None:
        """End it as a lost node ends: all of its processes at once."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _processes(self) -> list[int]:
        """Some have sessions of their own, so they are found by what all have inherited."""
        sign, found = f"{_SIGN}={self.log}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if sign in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found


@contextmanager
def local_ray(**environment: str) -> Iterator[LocalRay]:
    """A cluster for the time of this block."""
    python, port = ray_python(), free_port()
    # Paths of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    argv: list[Any] = [python.parent / "ray", "start", "--head", "--block", "--disable-usage-stats"]
    argv += ["--port", free_port(), "--dashboard-port", port, "--dashboard-host", "127.0.0.1"]
    argv += ["--node-ip-address", "127.0.0.1", "--temp-dir", folder / "t", "--num-cpus", 2]
    argv += ["--dashboard-agent-listen-port", free_port(), "--ray-client-server-port", free_port()]
    argv += ["--min-worker-port", 0, "--max-worker-port", 0, "--object-store-memory", OBJECTS]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, argv)),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(python, environment | {_SIGN: str(log)}),
            start_new_session=True,
        )
    found = LocalRay(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait(found)
        yield found
    finally:
        found.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _environment(python: Path, more: dict[str, str]) -> dict[str, str]:
    return {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/tmp"),
        "PYTHONPATH": str(ROOT / "src"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        **more,
    }


def _wait(ray: LocalRay) -> None:
    """Until its dashboard takes jobs."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert ray.process.poll() is None, ray.log.read_text()
        try:
            if httpx.get(f"{ray.address}/api/version", timeout=2).status_code in (200, 401):
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(ray.log.read_text())


@cache
def ray_python() -> Path:
    """The Python of the environment. Skips the test where it can't be made."""
    stamp, python = HOME / "made-of", HOME / "bin" / "python"
    content = sys.version.encode() + b"".join(lock.read_bytes() for lock in LOCKS)
    digest = hashlib.sha256(content).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        if not index_answers():
            pytest.skip("NO PACKAGE INDEX, trainings on Ray were NOT tried: Ray can't be fetched")
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True)
        argv = [ROOT / "tools" / "install", python, *LOCKS]
        subprocess.run(argv, check=True, cwd=ROOT, timeout=INSTALL_S)
        stamp.write_text(digest)
    return python
