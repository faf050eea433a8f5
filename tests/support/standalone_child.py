"""`mlplatform serve FOLDER` as a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from ports import free_port

DEADLINE_S = 60.0


def environment() -> dict[str, str]:
    """Without settings of a platform that runs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MLPLATFORM_")}


@contextmanager
def served(folder: Path, *words: str | Path, **settings: str) -> Iterator[str]:
    """`mlplatform serve` of that folder, with these settings; gives its address."""
    port = free_port()
    argv = [sys.executable, "-m", "mlplatform", "serve", str(folder), "--port", str(port)]
    argv += map(str, words)
    given = {f"MLPLATFORM_{name}": value for name, value in settings.items()}
    with (folder.parent / "serve.log").open("w") as log:
        process = subprocess.Popen(argv, env=environment() | given, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        until_ready(url, process)
        yield url
    finally:
        process.terminate()
        assert 0 == process.wait(DEADLINE_S)


def until_ready(url: str, process: subprocess.Popen[Any]) -> None:
    """Wait until it answers."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        assert process.poll() is None, "it has ended"
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("it does not get ready")
