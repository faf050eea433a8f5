"""A serving process beside the trainer's own servers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from ports import free_port

DEADLINE_S = 60.0
CHILD = """
from mlplatform import settings
from mlplatform.serving.main import run
run(settings.load())
"""


@contextmanager
def serving(bank: Any, home: Path) -> Iterator[str]:
    """A serving process that follows the pipeline; gives its address."""
    port = free_port()
    values = {
        "SERVING__PORT": str(port),
        "SERVING__MODELS": bank.name,
        "SERVING__CACHE": str(home / "cache"),
        "SERVING__AUTH": "none",
        "SERVING__POLL_S": "0.1",
        "OUTBOX__FOLDER": str(home / "outbox"),
        "DATAAPI__URL": bank.settings.dataapi.url,
        "DATAAPI__TOKEN": "token-admin",
        "REGISTRY__URL": bank.mlflow.url,
        "SOURCE__URL": str(bank.repository),
        "SOURCE__CACHE": str(home / "source"),
    }
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    environment |= {f"MLPLATFORM_{name}": value for name, value in values.items()}
    with (home / "serving.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD], env=environment, stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _until(lambda: _ready(url), (home / "serving.log").read_text)
        yield url
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _until(found: Callable[[], bool], details: Callable[[], str]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not found():
        assert time.monotonic() < end, details()
        time.sleep(0.05)
