"""One training run as a child process.

It gets the trainer's environment and nothing of ours, and a user of its own when we are root; its
log is kept, its events are reported.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlplatform.cluster.run_log import Event, event_of, failure_of, more_telling
from mlplatform.errors import Refused
from mlplatform.local.processes import guard
from mlplatform.unprivileged import run, source
from mlplatform.unprivileged.run import ForeignRun

OnEvent = Callable[[Event], None]


def train(
    name: str,
    *,
    environment: Mapping[str, str],
    log: Path,
    why: str,
    on_event: OnEvent,
    imported: Path | None = None,
) -> None:
    """Run the trainer to its end; `on_event` gets every event of its log.

    With `imported`, a folder of `mlplatform.trainer.handover`, it imports that model.

    The child ends with this program, and the first Ctrl-C ends it in an orderly way. Raises Refused
    with its last error when it fails.
    """
    argv: tuple[str, ...] = (sys.executable, "-m", "mlplatform", "trainer", name, "--why", why)
    if imported is not None:
        argv += ("--import", str(imported))
    log.parent.mkdir(parents=True, exist_ok=True)
    last: Event = {}
    paths = (*source.readable(environment), *([imported] if imported else []))
    prepared = run.prepare(argv, environment, stop_signal=signal.SIGTERM, paths=paths)
    with _running(prepared) as process:
        for event in _events(process, log):
            on_event(event)
            last = more_telling(last, event)
    if process.returncode:
        message = failure_of(last) or f"exit code {process.returncode}"
        raise Refused(
            f"{'import' if imported else 'training'} of '{name}' failed: {message}",
            field=str(last.get("field") or name),
            fix=f"its log is {log}",
        )


@contextmanager
def _running(prepared: ForeignRun) -> Iterator[subprocess.Popen[bytes]]:
    """The child, started; it has ended when the block is left, at an error by SIGTERM."""
    with subprocess.Popen(
        prepared.argv,
        env=dict(prepared.environment),
        cwd=prepared.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C reaches it once: by the `terminate` below
    ) as process:
        try:
            yield process
        except BaseException:
            process.terminate()
            raise
        finally:
            process.wait()
            guard.signal_group(process.pid, signal.SIGKILL)  # helpers that it may have started
            prepared.remove()


def _events(process: subprocess.Popen[bytes], log: Path) -> Iterator[Event]:
    """The lines that the process writes, each kept in its log first."""
    assert process.stdout is not None
    with log.open("wb") as file:
        for line in process.stdout:
            file.write(line)
            file.flush()
            yield event_of(line)
