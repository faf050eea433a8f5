"""One training run as a child process: with the trainer's environment and nothing of ours, its log kept, its steps told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlplatform.errors import PlatformError, Refused
from mlplatform.local.processes import guard, launch

Event = Mapping[str, Any]


def train(
    name: str, *, environment: Mapping[str, str], log: Path, why: str, told: Callable[[Event], None]
) -> None:
    """Run the trainer to its end; `told` hears every event of its log. Raises Refused with its last error when it fails.

    The child ends with this program, and the first Ctrl-C ends it in an orderly way.
    """
    argv = [*launcher(), sys.executable, "-m", "mlplatform", "trainer", name, "--why", why]
    log.parent.mkdir(parents=True, exist_ok=True)
    last: Event = {}
    with subprocess.Popen(
        argv,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            for event in _follow(process, log):
                told(event)
                if event.get("level") in ("error", "critical") or last.get("level") != "error":
                    last = event  # errors of the run; before there is one, whatever was said last, say of a traceback
        except BaseException:
            process.terminate()
            raise
        finally:
            process.wait()
            guard.signal_group(process.pid, signal.SIGKILL)  # helpers that it may have started
    if process.returncode != 0:
        raise _failure(name, process.returncode, last, log)


def launcher() -> list[str]:
    """Has the kernel end the child with this program, where it can."""
    return [
        sys.executable,
        "-I",
        "-S",
        launch.__file__,
        str(int(signal.SIGTERM)),
        str(os.getpid()),
        "-1",
        "--",
    ]


def _follow(process: subprocess.Popen[bytes], log: Path) -> Any:
    assert process.stdout is not None
    with log.open("wb") as file:
        for line in process.stdout:
            file.write(line)
            file.flush()
            yield _event(line)


def _event(line: bytes) -> Event:
    """A line of the log as an event; a line that is no JSON (a traceback) becomes one without a level."""
    text = line.decode(errors="replace").strip()
    try:
        document = json.loads(text)
    except ValueError:
        return {"event": text}
    return document if isinstance(document, dict) else {"event": text}


def _failure(name: str, code: int, last: Event, log: Path) -> PlatformError:
    message = str(last.get("error") or last.get("event") or f"exit code {code}")
    return Refused(
        f"training of '{name}' failed: {message}",
        field=str(last.get("field") or name),
        fix=f"its log is {log}",
    )
