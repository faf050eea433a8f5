"""One child process of the supervisor: start it, watch it, stop it, keep its log.

Every method runs in the supervisor's thread, except `_poll`, which has a thread of its own: a slow
probe delays no other child.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from mlplatform.local.processes import guard
from mlplatform.local.processes.health import EVERY_S, Health
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.telemetry import logger
from mlplatform.unprivileged import command

_log = logger("local")
State = Literal[
    "waiting", "starting", "ready", "silent", "backoff", "stopping", "stopped", "finished", "failed"
]

PROBE_S = 0.1
BACKOFF_S = 0.2  # first pause before a restart; doubles with every exit in a row
BACKOFF_MOST_S = 10.0
STEADY_S = 30.0  # after a run of this length the pauses begin with the shortest again
EXITS_BEFORE_READY = 3
"""After so many exits without ever being ready a process has failed.

The cause will not pass by itself, and the user should read it rather than wait.
"""


@dataclass(frozen=True)
class ProcessStatus:
    """What a process is doing."""

    name: str
    state: State
    pid: int | None
    restarts: int
    exit_code: int | None  # of its last end; negative: the signal
    reason: str  # why it failed, or since when it is silent
    log: Path


class Child:
    """A process and its state. `should_run` is what callers requested; `state` is what is so."""

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self.should_run = False
        self.state: State = "stopped"
        self.reason = ""
        self.restarts = 0
        self.exit_code: int | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()
        self._health: Health | None = None
        self._probe_error: BaseException | None = None
        self._was_ready = False
        self._exits = 0  # in a row
        self._since = 0.0
        self._deadline = 0.0

    @property
    def up(self) -> bool:
        """True when processes that need it may start."""
        return self.state in ("ready", "finished")

    def status(self) -> ProcessStatus:
        """A copy of its state."""
        pid = self.process.pid if self.process else None
        reason = self.reason
        if self.state == "silent" and self._health is not None:
            reason = self._health.reason
        return ProcessStatus(
            self.spec.name, self.state, pid, self.restarts, self.exit_code, reason, self.log
        )

    def request_start(self) -> None:
        """Have it start as soon as the processes that it needs are up."""
        if self.process is None:
            self.should_run, self.state, self.reason, self.restarts = True, "waiting", "", 0
            self._was_ready, self._exits = False, 0
            rotate(self.log)

    def spawn(self) -> None:
        """Start it in a session of its own, from the thread that lives as long as it may."""
        spec = self.spec
        self._ready = threading.Event()
        self._probe_error = None
        self._since = time.monotonic()
        self._deadline = self._since + spec.ready_timeout_s
        argv = _argv(spec)
        with self._open_log() as log:
            self.process = subprocess.Popen(
                argv,
                env=dict(spec.environment),
                cwd=spec.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.state = "starting"
        self._health = Health(spec.name, spec.health) if spec.health else None
        # With this start's own objects: a probe that returns late does not count for the next one.
        poll = (self.process, self._ready, self._health)
        threading.Thread(
            target=self._poll, args=poll, name=f"probe {spec.name}", daemon=True
        ).start()

    def not_spawned(self, now: float, error: OSError) -> None:
        """The machine refused to start it: it is tried again, or has failed."""
        self.exit_code = None
        self._restart_or_fail(now)
        if self.state == "failed":
            self.reason = f"could not be started: {error}"

    def _open_log(self) -> BinaryIO:
        try:
            return self.log.open("ab")
        except OSError:  # a full disk: its work matters more than its log
            return Path(os.devnull).open("ab")

    def listed(self) -> guard.Listed | None:
        """Its line in the process file; None when it does not run."""
        if self.process is None:
            return None
        return guard.Listed(
            self.spec.name, self.process.pid, guard.born(self.process.pid), self.spec.stop_signal
        )

    def watch(self, now: float) -> bool:
        """Note that it ended, became ready or ran out of time. True when its process ended."""
        if self.process is None:
            return False
        if self.process.poll() is not None:
            self._ended(now)
            return True
        if self.state == "starting":
            self._advance(now)
        elif self.state in ("ready", "silent") and self._health is not None:
            self.state = "silent" if self._health.silent else "ready"
        elif self.state == "stopping" and now > self._deadline:
            guard.signal_group(self.process.pid, signal.SIGKILL)
        return False

    @property
    def overdue(self) -> bool:
        """True when it has been silent for longer than it may be."""
        health = self._health
        if health is None or self.state != "silent":
            return False
        return health.silent_s > self.spec.silent_s

    def end_silent(self) -> None:
        """Kill it: what does not answer hardly takes a request to stop. It starts again."""
        assert self.process is not None
        guard.signal_group(self.process.pid, signal.SIGKILL)

    def due(self, now: float) -> bool:
        """True when a pause before a restart is over."""
        return self.state == "backoff" and now >= self._deadline

    def stop(self, now: float) -> None:
        """Send the stop signal once; `watch` kills the process if it outlives `stop_timeout_s`."""
        self.should_run = False
        if self.process is None:
            self.state = self.state if self.state in ("failed", "finished") else "stopped"
        elif self.state != "stopping":
            self.state, self._deadline = "stopping", now + self.spec.stop_timeout_s
            self.process.send_signal(self.spec.stop_signal)

    def _poll(
        self, process: subprocess.Popen[bytes], ready: threading.Event, health: Health | None
    ) -> None:
        probe = self.spec.ready
        try:
            while probe is not None and process.returncode is None and not probe():
                time.sleep(PROBE_S)
        except BaseException as error:  # noqa: BLE001  (`_advance` fails the start with it)
            self._probe_error = error
        ready.set()
        while health is not None and process.returncode is None:
            time.sleep(EVERY_S)
            health.poll()

    def _advance(self, now: float) -> None:
        if self._ready.is_set() and self._probe_error is None:
            self.state, self._was_ready = "ready", True
        elif self._ready.is_set():
            self._give_up(now, f"its readiness probe failed: {self._probe_error!r}")
        elif now > self._deadline:
            self._give_up(now, f"was not ready after {self.spec.ready_timeout_s:g} s")

    def _give_up(self, now: float, reason: str) -> None:
        if self._was_ready:  # a restart that hangs: killed, it is tried again
            assert self.process is not None
            guard.signal_group(self.process.pid, signal.SIGKILL)
            return
        self.stop(now)
        self.reason = reason

    def _ended(self, now: float) -> None:
        assert self.process is not None
        # Its own children must not outlive it: they would hold its port.
        guard.signal_group(self.process.pid, signal.SIGKILL)
        self.exit_code, self.process = self.process.returncode, None
        if self.state == "stopping":
            self.state = "failed" if self.reason else "stopped"
        elif not self.spec.restart and self.exit_code == 0:
            self.state, self.should_run = "finished", False
        else:
            self._restart_or_fail(now)

    def _restart_or_fail(self, now: float) -> None:
        self._exits = 1 if now - self._since > STEADY_S else self._exits + 1
        if not self.spec.restart or (not self._was_ready and self._exits >= EXITS_BEFORE_READY):
            self.state, self.should_run, self.reason = (
                "failed",
                False,
                f"ended with {_how(self.exit_code)}",
            )
            return
        self.state, self.restarts = "backoff", self.restarts + 1
        self._deadline = now + min(BACKOFF_S * 2 ** (self._exits - 1), BACKOFF_MOST_S)


def _argv(spec: ProcessSpec) -> tuple[str, ...]:
    return command.through(spec.argv, stop_signal=spec.stop_signal, uid=spec.uid, paths=spec.paths)


def rotate(log: Path) -> None:
    """Keep the log of the last run as `<name>.log.1`; without one, where that can't be done."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_name(log.name + ".1"))
        log.touch()
    except OSError as error:  # as in `_open_log`: its work matters more than its log
        _log.warning("can't begin a log anew", file=str(log), error=str(error))


def bound(log: Path, most_bytes: int) -> None:
    """Copy a log that has grown too large to `<name>.log.1` and empty it.

    The child keeps its handle, which appends, so it goes on at the start of the emptied file; a
    line written between copy and cut is lost.
    """
    if log.exists() and log.stat().st_size > most_bytes:
        try:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
        finally:  # on a full disk, this makes room
            os.truncate(log, 0)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
