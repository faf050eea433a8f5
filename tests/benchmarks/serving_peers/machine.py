"""What a result was measured on."""

from __future__ import annotations

import os
import platform
import re
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from serving_peers.servers import HERE, SERVERS

_OURS = ("fastapi", "msgspec", "numpy", "onnxruntime", "scikit-learn", "uvicorn")
_SYNCS, _BLOCK = 200, 4096
_PEERS = ("mlserver", "bentoml", "litserve", "mlflow", "kserve")


def machine(folder: Path) -> dict[str, str]:
    """Hardware and versions, in the order of the report; `folder` lies on the disk of the log."""
    names = {server.venv for server in SERVERS if server.venv}
    pinned = {}
    for name in sorted(names):
        pinned |= versions((HERE / f"requirements-{name}.txt").read_text())
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "disk": f"4 KiB written and synced in {_sync_us(folder):.0f} us (median)",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}",
        "ours": ", ".join(f"{name} {version(name)}" for name in _OURS),
        "peers": ", ".join(f"{name} {pinned[name]}" for name in _PEERS),
    }


def versions(requirements: str) -> dict[str, str]:
    """Package -> version of pinned requirements."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", requirements, re.MULTILINE))


def _sync_us(folder: Path) -> float:
    """What a durable write takes at least: into blocks that exist, as the outbox writes."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_SYNCS * _BLOCK))
        os.fsync(file.fileno())
        for number in range(_SYNCS):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(_BLOCK), number * _BLOCK)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
