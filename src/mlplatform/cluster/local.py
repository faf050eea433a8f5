"""Training runs as child processes of the data API, on a laptop.

A child gets exactly the environment of `settings.cluster.environment_file` and nothing of ours: no
database credential can leak into a training. When the data API is root, a child runs as a user of
its own (`unprivileged`): a pipeline's code can't read what is root's. Its output goes into one log
file per run. On Linux the kernel ends it when the data API dies; elsewhere `close` does.

All children are forked by one thread that lives as long as this object: the kernel's "parent" of
PR_SET_PDEATHSIG is the forking thread, and a worker thread of the HTTP server that ends after an
idle while would take its training with it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread

from mlplatform.cluster.job import ClusterJob, JobState
from mlplatform.cluster.run_log import failure_in
from mlplatform.errors import LeaseHeld, SettingsError, Unavailable
from mlplatform.unprivileged import run, source
from mlplatform.unprivileged.run import ForeignRun

KEPT = 100
"""Ended runs that are remembered per process.

Enough for a person to look back, bounded for a server that runs for months.
"""
STOP_S = 10.0
"""How long a child may take to end after SIGTERM before it is killed."""


@dataclass
class _Child:
    name: str
    pipeline: str
    reason: str
    process: subprocess.Popen[bytes]
    started_at: datetime
    prepared: ForeignRun
    log: Path
    finished_at: datetime | None = None
    failure: str = ""

    def seen(self) -> ClusterJob:
        code = self.process.poll()
        if code is not None and self.finished_at is None:
            self.finished_at = datetime.now(UTC)
            self.prepared.remove()
            self.failure = failure_in(self.log) if code else ""
        state: JobState = "running" if code is None else "succeeded" if code == 0 else "failed"
        return ClusterJob(
            name=self.name,
            pipeline=self.pipeline,
            state=state,
            reason=self.reason,
            started_at=self.started_at,
            finished_at=self.finished_at,
            failure=self.failure,
        )


class LocalCluster:
    """Runs `python -m mlplatform trainer NAME --job=JOB --why=REASON`.

    One run per pipeline at a time. `argv` is replaced by tests only.
    """

    def __init__(
        self,
        environment_file: Path,
        logs: Path,
        *,
        argv: Sequence[str] = (sys.executable, "-m", "mlplatform", "trainer"),
    ) -> None:
        self._environment_file = environment_file
        self._logs = logs
        self._argv = tuple(argv)
        self._children: list[_Child] = []
        self._lock = Lock()
        self._parent = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trainings-parent")

    def job_of(self, pipeline: str, run: str) -> str:
        """The pipeline, and the end of the run's id."""
        return f"{pipeline}-{run[-10:]}"

    def start_training(self, pipeline: str, job: str, *, reason: str) -> None:
        """Start a child, unless it was started before."""
        with self._lock:
            seen = self._seen()
            if any(each.name == job for each in seen):
                return
            for each in seen:
                if each.pipeline == pipeline and each.lives:
                    raise LeaseHeld(
                        f"training '{each.name}' is still running",
                        field="pipeline",
                        fix="wait for it, or cancel it",
                    )
            variables = environment(self._environment_file)
            words = [pipeline, f"--job={job}", f"--why={reason}"]
            # Forked by the one thread that outlives the request: see above.
            process, prepared = self._parent.submit(self._spawn, job, words, variables).result()
            log = self._log(job)
            child = _Child(job, pipeline, reason, process, datetime.now(UTC), prepared, log)
            self._children.append(child)
            Thread(target=self._await, args=(child,), name=f"await-{job}", daemon=True).start()

    def jobs(self, pipeline: str) -> Sequence[ClusterJob]:
        """Runs of `pipeline` that this process started, latest first."""
        with self._lock:
            return [seen for seen in reversed(self._seen()) if seen.pipeline == pipeline]

    def remove_logs(self, before: datetime, *, remove: bool) -> tuple[int, int]:
        """Remove (or count) logs last written before a moment: files and their bytes."""
        files = size = 0
        with self._lock:
            mine = {child.log for child in self._children}
            for log in sorted(set(self._logs.glob("trainer-*.log")) - mine):
                status = log.stat()
                if status.st_mtime >= before.timestamp():
                    continue
                files, size = files + 1, size + status.st_size
                if remove:
                    log.unlink()
        return files, size

    def close(self) -> None:
        """End the children that still run."""
        with self._lock:
            running = [child.process for child in self._children if child.process.poll() is None]
            for process in running:
                process.terminate()
            for process in running:
                _end(process)
            self._seen()  # what they leave goes with them
        self._parent.shutdown()

    def _await(self, child: _Child) -> None:
        """Nobody may look at it any more: its files go as soon as it has ended."""
        child.process.wait()
        with self._lock:
            child.seen()

    def _spawn(
        self, name: str, words: Sequence[str], variables: Mapping[str, str]
    ) -> tuple[subprocess.Popen[bytes], ForeignRun]:
        try:
            prepared = run.prepare(
                [*self._argv, *words],
                variables,
                stop_signal=signal.SIGTERM,
                paths=source.readable(variables),
            )
            self._logs.mkdir(parents=True, exist_ok=True)
            with self._log(name).open("wb") as log:
                process = subprocess.Popen(
                    prepared.argv,
                    env=dict(prepared.environment),
                    cwd=prepared.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        except OSError as error:
            raise Unavailable(f"can't start a training process: {error}") from error
        return process, prepared

    def _log(self, name: str) -> Path:
        return self._logs / f"trainer-{name}.log"

    def _seen(self) -> list[ClusterJob]:
        seen = [child.seen() for child in self._children]
        ended = [child for child in self._children if child.finished_at is not None]
        for child in ended[:-KEPT]:
            self._children.remove(child)
        return seen


def environment(path: Path) -> dict[str, str]:
    """The environment of a trainer.

    Raises SettingsError when the file is missing or not a flat JSON object of strings.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"can't read {path}: {error}", field="cluster.environment_file"
        ) from error
    if not isinstance(document, dict) or not all(
        isinstance(value, str) for value in document.values()
    ):
        raise SettingsError(
            f"{path} must be a JSON object of strings", field="cluster.environment_file"
        )
    return document


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
