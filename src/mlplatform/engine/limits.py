"""What a model may take in a child process."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

RAISE_MEMORY = (
    "if the model is sound, raise MLPLATFORM_REGISTRY__LOAD_MEMORY_BYTES for serving and trainer"
)
RAISE_TIME = "if the model is sound, raise MLPLATFORM_REGISTRY__LOAD_S for serving and trainer"
RAISE_LIMITS = RAISE_TIME.replace("_S for", "_S or MLPLATFORM_REGISTRY__LOAD_MEMORY_BYTES for")

READ_MEMORY = 4
"""Times what a model may take in serving, to read another library's file: a conversion holds the
model several times."""


@dataclass(frozen=True)
class TrialLimits:
    """What one load and trial may take, beyond the interpreter and its libraries."""

    time_s: float
    memory_bytes: int


def limit_memory(more_bytes: int) -> None:
    """Let this process take so many bytes of data more than it holds already."""
    # Data, not address space: libraries reserve gigabytes of addresses that they never touch.
    most = _data_bytes() + more_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _data_bytes() -> int:
    """Bytes that this process holds already; 0 where the system doesn't say (not Linux)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    held = next((line for line in lines if line.startswith("VmData:")), "VmData: 0 kB")
    return int(held.split()[1]) * 1024
