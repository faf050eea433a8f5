"""Runs the processes of local mode, and the servers of the integration tests.

    with Supervisor(specs, logs=home / "logs") as supervisor:
        supervisor.start()         # in the order of their needs, in parallel where that allows;
                                   # blocks until all are ready
        supervisor.stop("etl")     # one alone
        supervisor.status()["etl"]
    # leaving the block stops all of them, those that need others first

A process that ends by itself comes back after a pause that doubles up to ten seconds; one that does
not answer any more is "silent", and ended when it stays so (see `health`). Each has one log file,
`<logs>/<name>.log`; the last run's is `<name>.log.1`. When the program that holds the
supervisor is killed, none of its processes is left (see `guard`, `unprivileged.launch`).

One thread starts all children and lives until the end: Linux ties the parent-death signal to the
thread that forked.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from mlplatform.errors import Refused, SettingsError, Unavailable, UnknownName
from mlplatform.local.processes import guard
from mlplatform.local.processes.child import Child, ProcessStatus, bound, tail
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.telemetry import logger

TICK_S = 0.02
LOG_CHECK_S = 5.0
NOTES_AGAIN_S = 1.0  # after a note that could not be written
SILENT_APART_S = 30.0
"""Between two processes that are ended since they don't answer: the second may have waited for the
first, and a machine that is too slow for all of them gets no faster by starting them anew."""
ORPHAN_GRACE_S = 8.0
"""Time for orphans to end: enough for a drain on a small machine, bearable at the next start."""

OnChange = Callable[[ProcessStatus], None]
_log = logger("local")


class Supervisor:
    """Starts, watches and stops child processes.

    Safe to call from any thread; `start`, `stop` and `restart` block until they are done.
    """

    def __init__(
        self,
        specs: Iterable[ProcessSpec] = (),
        *,
        logs: Path,
        on_change: OnChange | None = None,
        log_bytes: int = 32 * 1024 * 1024,
        orphan_grace_s: float = ORPHAN_GRACE_S,
    ) -> None:
        self._logs = logs
        self._file = logs / "processes.json"
        self._on_change = on_change
        self._log_bytes = log_bytes
        self._orphan_grace_s = orphan_grace_s
        self._children: dict[str, Child] = {}
        self._seen: dict[str, ProcessStatus] = {}
        self._stopping: set[str] = set()  # by `stop`; they stay here until they are started again
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._over = False
        self._unlisted, self._next_list = False, 0.0  # whether the process file is out of date
        self._next_silent = 0.0  # when the next silent process may be ended
        self._fault: BaseException | None = None
        for spec in specs:
            self.add(spec)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, spec: ProcessSpec) -> None:
        """Make a process known; it starts with the next `start`."""
        with self._changed:
            if spec.name in self._children:
                raise Refused(f"there is a process '{spec.name}' already", field=spec.name)
            missing = [
                name for name in spec.needs if name not in self._children and name != spec.name
            ]
            if missing:
                raise UnknownName(
                    f"process '{spec.name}' needs unknown {', '.join(missing)}", field=spec.name
                )
            self._children[spec.name] = Child(spec, self._logs / f"{spec.name}.log")

    def start(self, *names: str) -> None:
        """Start these (all when none is named) and what they need, and wait until they are ready.

        Raises Unavailable, with the end of the log, as soon as one of them has failed; the others
        are left as they are.
        """
        with self._changed:
            chosen = self._with_needs(names or tuple(self._children))
            self.begin(*chosen)
            while not all(self._children[name].up for name in chosen):
                self._raise_failed(chosen)
                self._changed.wait(1.0)

    def begin(self, *names: str) -> None:
        """Have these start, each when what it needs is ready; unlike `start` it does not wait.

        What they need is not started.
        """
        with self._changed:
            self._ensure_thread()
            self._stopping -= {self._child(name).spec.name for name in names}
            # A child that is still ending would take the request as one for the process it had.
            while any(self._children[name].state == "stopping" for name in names):
                self._changed.wait(1.0)
            for name in names:
                self._children[name].request_start()

    def stop(self, *names: str) -> None:
        """Stop these (all when none is named) and wait until they have ended.

        Each stops after those of them that need it.
        """
        with self._changed:
            chosen = {self._child(name).spec.name for name in names} or set(self._children)
            self._stopping |= chosen
            while self._thread is not None and any(
                self._children[name].process or self._children[name].should_run for name in chosen
            ):
                self._raise_fault()
                self._changed.wait(1.0)

    def restart(self, name: str) -> None:
        """Stop one process and start it again."""
        self.stop(name)
        self.start(name)

    def status(self) -> Mapping[str, ProcessStatus]:
        """What every process is doing, in the order they were added."""
        with self._changed:
            return {name: child.status() for name, child in self._children.items()}

    def wait(
        self, name: str, until: Callable[[ProcessStatus], bool], *, timeout_s: float
    ) -> ProcessStatus:
        """Wait until the status of a process satisfies `until`.

        Raises Unavailable when that takes too long.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not until(status := self._child(name).status()):
                self._raise_fault()
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"process '{name}' is still {status.state} after {timeout_s:g} s",
                        field=name,
                    )
                self._changed.wait(0.1)
            return status

    def stay(self) -> None:
        """Block for good. Raises what broke the supervisor; its children have ended then."""
        with self._changed:
            while True:
                self._raise_fault()
                self._changed.wait(1.0)

    def close(self) -> None:
        """Stop everything and end. May be called twice."""
        if self._thread is None:
            return
        self.stop()
        with self._changed:
            self._over = True
        self._thread.join()
        self._thread = None
        self._end_guard()

    def _ensure_thread(self) -> None:
        """Clean up after a killed predecessor, then start the guard and the thread. Idempotent."""
        if self._thread is not None:
            self._raise_fault()
            return
        self._logs.mkdir(parents=True, exist_ok=True)
        try:
            guard.clean(
                self._file,
                grace_s=self._orphan_grace_s,
                known=lambda child: guard.born(child.pid) == child.born,
            )
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"can't read {self._file}: {error}",
                field=str(self._file),
                fix="end what a killed stack may have left of it (`ps`), and remove this",
            ) from error
        self._over = False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._start_guard()
            checked = time.monotonic()
            while not self._over:
                with self._changed:
                    self._tick(time.monotonic())
                if time.monotonic() - checked > LOG_CHECK_S:
                    checked = time.monotonic()
                    self._bound_logs()
                time.sleep(TICK_S)
        except BaseException as error:  # noqa: BLE001  (the next call raises it)
            with self._changed:
                self._fault = error
                self._changed.notify_all()
            self._end_guard()

    def _bound_logs(self) -> None:
        for child in tuple(self._children.values()):
            try:
                bound(child.log, self._log_bytes)
            except OSError as error:  # a full disk: the log is emptied all the same
                _log.warning("can't keep the end of a log", file=str(child.log), error=str(error))

    def _tick(self, now: float) -> None:
        ended = [child.watch(now) for child in self._children.values()]
        self._end_silent(now)
        self._report()  # before the starts below, so that nobody misses the state in between
        for name in self._stopping:
            if not self._needed(name):
                self._children[name].stop(now)
        fresh = [child for child in self._children.values() if self._may_spawn(child, now)]
        for child in fresh:
            try:
                child.spawn()
            except OSError as error:  # no memory for a fork, say: tried again like one that ended
                child.not_spawned(now, error)
        self._unlisted |= bool(fresh) or any(ended)
        if self._unlisted and now >= self._next_list:
            self._list(now)
        self._report()

    def _end_silent(self, now: float) -> None:
        """End the first process that is silent for too long; what others need comes first."""
        overdue = next((child for child in self._children.values() if child.overdue), None)
        if overdue is not None and now >= self._next_silent:
            self._next_silent = now + SILENT_APART_S
            why = overdue.status().reason
            _log.error("a process is ended and started again", process=overdue.spec.name, why=why)
            overdue.end_silent()

    def _list(self, now: float) -> None:
        """The guard must know every child that may outlive us.

        A disk that is full ends none of them: it is tried again until the file is written.
        """
        lines = [line for child in self._children.values() if (line := child.listed())]
        try:
            guard.write(self._file, lines)
        except OSError as error:
            self._next_list = now + NOTES_AGAIN_S
            _log.warning("can't list the processes", file=str(self._file), error=str(error))
            return
        self._unlisted, self._next_list = False, 0.0

    def _may_spawn(self, child: Child, now: float) -> bool:
        if not child.should_run or child.spec.name in self._stopping:
            return False
        waiting = child.state == "waiting" and all(
            self._children[need].up for need in child.spec.needs
        )
        return waiting or child.due(now)

    def _needed(self, name: str) -> bool:
        """True while a process that is to stop as well, and needs this one, still runs."""
        return any(
            self._children[other].process and name in self._children[other].spec.needs
            for other in self._stopping
        )

    def _report(self) -> None:
        for name, child in self._children.items():
            status = child.status()
            if status != self._seen.get(name):
                self._seen[name] = status
                self._changed.notify_all()
                if self._on_change:
                    self._on_change(status)

    def _raise_failed(self, names: Iterable[str]) -> None:
        self._raise_fault()
        for name in names:
            child = self._children[name]
            if child.state == "failed" or name in self._stopping:
                last = tail(child.log)
                raise Unavailable(
                    f"process '{name}' {child.reason or 'was stopped'}",
                    field=name,
                    fix=f"see {child.log}:\n{last}",
                )

    def _raise_fault(self) -> None:
        if isinstance(self._fault, OSError):  # the machine's, e.g. a full disk
            raise Unavailable(
                f"the supervisor broke down, and all processes have ended: {self._fault}"
            ) from self._fault
        if self._fault is not None:
            raise RuntimeError("the supervisor broke down") from self._fault

    def _with_needs(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self._child(name).spec.needs
        return found

    def _child(self, name: str) -> Child:
        if name not in self._children:
            raise UnknownName(
                f"there is no process '{name}'",
                field=name,
                fix=f"one of {', '.join(self._children)}",
            )
        return self._children[name]

    def _start_guard(self) -> None:
        guard.write(self._file, [])
        what = (str(self._file), str(self._orphan_grace_s))
        argv = (sys.executable, "-I", "-S", guard.__file__, *what)
        self._guard = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True, env={})

    def _end_guard(self) -> None:
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
