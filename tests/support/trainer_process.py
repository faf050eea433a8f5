"""The trainer as the process that a Job starts, with nothing else in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mlplatform.settings import Settings


def start(
    settings: Settings, name: str, log: Path, *, words: Sequence[str] = (), **more: str
) -> subprocess.Popen[bytes]:
    """Train a pipeline; `more` are settings by the ends of their variables' names."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "mlplatform", "trainer", name, "--why", "test", *words],
            env=_environment(settings, **more),
            stderr=file,
            stdout=subprocess.PIPE,
        )


def _environment(settings: Settings, **more: str) -> dict[str, str]:
    given = {
        "DATAAPI__URL": settings.dataapi.url,
        "DATAAPI__TOKEN": "token-trainer",
        "REGISTRY__URL": settings.registry.url,
        "SOURCE__URL": settings.source.url,
        "SOURCE__CACHE": str(settings.source.cache),
    }
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | {
        f"MLPLATFORM_{name}": value for name, value in (given | more).items()
    }
