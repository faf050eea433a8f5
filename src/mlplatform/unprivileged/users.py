"""The users that child processes run as when this program is root.

Those of servers are fixed, since their files stay. Code of a pipeline gets a number that nothing
else on the machine has, a new one every time: it can neither read nor signal another run's process,
nor what an earlier one left behind.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

POSTGRES = 65534  # "nobody" everywhere: owns nothing else, and needs no account
MLFLOW = 65533  # apart from PostgreSQL's: MLflow reads any file of its user for any caller
_NOBODYS = range(0x7000_0000, 0x7FFF_FFF0)  # no distribution gives these to anybody
_NOBODYS_OF_16_BITS = range(61_184, 65_520)  # where a container has only the first 65,536


def server(uid: int) -> int | None:
    """That user when we are root, else None: a server runs as ourselves."""
    return uid if os.geteuid() == 0 else None


def fresh() -> int | None:
    """A user of its own for a pipeline's code when we are root, else None: ourselves."""
    if os.geteuid() != 0:
        return None
    numbers = _NOBODYS if _known() > _NOBODYS.stop else _NOBODYS_OF_16_BITS
    return random.SystemRandom().choice(numbers)


def _known() -> int:
    """How many users there are from our own number 0 on, outside of Linux as many as can be."""
    try:
        first = Path("/proc/self/uid_map").read_text().split()
    except OSError:
        return 1 << 31
    return int(first[2])
