"""What has to be done once a day on a laptop, where no CronJob does it: retention.

    with Daily(argv, environment, folder=home) as daily:
        daily.begin()

A child does it, with a log of its own, whenever a day has passed since one last ended well. The
time of a file in the home says when that was, so a stack that runs an hour a day has its turn too.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from mlplatform.telemetry import logger
from mlplatform.unprivileged import launch

DAY_S = 24 * 3600.0
AGAIN_S = 3600.0
"""Between two tries of one that fails, and at most between two looks at the clock."""
STOP_S = 10.0
_log = logger("local")


class Daily:
    """Runs one command once a day, in a thread of its own."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        home: Path,
        every_s: float = DAY_S,
    ) -> None:
        self._name = name
        self._argv = tuple(argv)
        self._environment = dict(environment)
        self._log = home / "logs" / f"{name}.log"
        self._done = home / f"{name}.done"
        self._every_s = every_s
        self._ending = threading.Event()
        # It lives until the end: the kernel ends a child when the thread that started it ends.
        self._thread = threading.Thread(target=self._run, name=f"daily {name}", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and a child that is at work: the next run finishes what it left."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def begin(self) -> None:
        """Wait for the first day to pass; in a new home from now on."""
        if self._thread.ident is None:
            self._thread.start()

    def _run(self) -> None:
        if not self._done.exists():
            self._note()
        while not self._ending.wait(min(self._due_in(), AGAIN_S)):
            if self._due_in() <= 0 and not self._once():
                self._ending.wait(min(AGAIN_S, self._every_s))

    def _due_in(self) -> float:
        """Seconds until the next run. A clock that was set back begins a new day."""
        try:
            passed = time.time() - self._done.stat().st_mtime
        except OSError:
            passed = self._every_s
        return max(0.0, self._every_s - passed) if passed >= 0 else self._every_s

    def _once(self) -> bool:
        """Whether it ended well."""
        try:
            code = self._child()
        except OSError as error:
            _log.warning(f"can't start the daily {self._name}", error=str(error))
            return False
        if self._ending.is_set():
            return False
        if code:
            _log.warning(f"the daily {self._name} failed", exit_code=code, log=str(self._log))
            return False
        self._note()
        return True

    def _child(self) -> int:
        argv = launch.through(self._argv, stop_signal=signal.SIGTERM)
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to pass on
            )
        while process.poll() is None:
            if self._ending.wait(0.2):
                process.terminate()
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
        return process.wait()

    def _note(self) -> None:
        try:
            self._done.touch(mode=0o600)
        except OSError as error:  # it is only done once more than needed
            _log.warning(f"can't note the daily {self._name}", error=str(error))
