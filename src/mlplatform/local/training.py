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
from dataclasses import dataclass
from pathlib import Path

from uuid_utils import uuid7

from mlplatform.cluster.run_log import Event, event_of, failure_of, more_telling
from mlplatform.contracts.exit_code import error_for
from mlplatform.local.processes import guard
from mlplatform.unprivileged import run, source
from mlplatform.unprivileged.run import ForeignRun

OnEvent = Callable[[Event], None]


def new_job(pipeline: str) -> str:
    """A name for a run's process, as `cluster.local` gives its own."""
    return f"{pipeline}-{uuid7().hex[-10:]}"


@dataclass(frozen=True)
class TrainerChild:
    """What a child is to do. By `job` its run's record is found.

    With `imported`, a folder of `mlplatform.trainer.handover`, it imports that model.
    """

    pipeline: str
    job: str
    why: str
    imported: Path | None = None

    @property
    def argv(self) -> list[str]:
        """Its command line."""
        words = [self.pipeline, "--job", self.job, "--why", self.why]
        words += [] if self.imported is None else ["--import", str(self.imported)]
        return [sys.executable, "-m", "mlplatform", "trainer", *words]


def train(
    child: TrainerChild, *, environment: Mapping[str, str], log: Path, on_event: OnEvent
) -> None:
    """Run the trainer to its end; `on_event` gets every event of its log.

    The child ends with this program, and the first Ctrl-C ends it in an orderly way. When it fails
    its last error is raised, of the class that its exit code stands for.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    last: Event = {}
    paths = (*source.readable(environment), *([child.imported] if child.imported else []))
    prepared = run.prepare(child.argv, environment, stop_signal=signal.SIGTERM, paths=paths)
    with _running(prepared) as process:
        for event in _events(process, log):
            on_event(event)
            last = more_telling(last, event)
    if process.returncode:
        message = failure_of(last) or f"exit code {process.returncode}"
        raise error_for(process.returncode)(
            f"{'import' if child.imported else 'training'} of '{child.pipeline}' failed: {message}",
            field=str(last.get("field") or child.pipeline),
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
