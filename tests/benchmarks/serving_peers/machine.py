"""What a result was measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from serving_peers.servers import HERE, SERVERS

_OURS = ("fastapi", "msgspec", "numpy", "onnxruntime", "scikit-learn", "uvicorn")
_PEERS = ("mlserver", "bentoml", "litserve", "mlflow", "kserve")


def machine() -> dict[str, str]:
    """Hardware and versions, in the order of the report."""
    names = {server.venv for server in SERVERS if server.venv}
    pinned = {}
    for name in sorted(names):
        pinned |= versions((HERE / f"requirements-{name}.txt").read_text())
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}",
        "ours": ", ".join(f"{name} {version(name)}" for name in _OURS),
        "peers": ", ".join(f"{name} {pinned[name]}" for name in _PEERS),
    }


def versions(requirements: str) -> dict[str, str]:
    """Package -> version of pinned requirements."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", requirements, re.MULTILINE))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
