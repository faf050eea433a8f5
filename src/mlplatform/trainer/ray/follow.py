"""A job of a Ray cluster from its submission to its end, with its log in ours."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlplatform.contracts.ray_job import RESULT_LINE
from mlplatform.errors import PlatformError, Refused, TryLater, Unavailable
from mlplatform.retry import retry
from mlplatform.telemetry import logger
from mlplatform.trainer.ray.jobs import ADDRESS, JobState, RayJobs

EVERY_S = 2.0
STOP_S = 8.0
"""How long a stopped job is waited for: Ray kills it after 3 s, Kubernetes a trainer after 30."""
LAST_LINES = 6
_LINE = 2_000
_log = logger("trainer")


@dataclass
class JobLog:
    """The lines of a job's log, as far as they are known; each is logged once."""

    read: int = 0
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    result: str = ""  # digest of what the job hands back

    def take(self, text: str, *, whole: bool = False) -> None:
        """The log so far. A last line without its end is kept for later, unless it is whole."""
        end = len(text) if whole else text.rfind("\n") + 1
        for line in text[self.read : end].splitlines():
            if line.startswith(RESULT_LINE):
                self.result = line.removeprefix(RESULT_LINE).strip()
            elif line.strip():
                self.last.append(line[:_LINE])
                _log.info("ray", line=line[:_LINE])
        self.read = max(self.read, end)

    @property
    def tail(self) -> str:
        """The last lines, for an error."""
        return "; its log ends: " + " | ".join(self.last) if self.last else "; it has no log"


class RayJob:
    """One job, which may still run. `lost_s`: how long Ray may not answer."""

    def __init__(
        self,
        jobs: RayJobs,
        name: str,
        *,
        lost_s: float,
        every_s: float = EVERY_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.log = JobLog()
        self._jobs = jobs
        self._lost_s = lost_s
        self._every_s = every_s
        self._sleep = sleep

    @contextmanager
    def submitted(self, entrypoint: str, environment: Mapping[str, str]) -> Iterator[None]:
        """Run it for the time of this block: what leaves it by an error stops the job."""
        try:
            retry(
                lambda: self._jobs.submit(self.name, entrypoint, environment),
                seconds=self._lost_s,
                on_retry=_warn,
                sleep=self._sleep,
            )
            _log.info("submitted to ray", job=self.name)
            yield
        except BaseException:  # SIGTERM and the time limit are no Exceptions
            self._stop()
            raise

    def result(self, check: Callable[[], None]) -> str:
        """Wait for its end; returns the digest of what it hands back.

        `check` is called meanwhile, and may raise to stop. Raises Unavailable when Ray has not
        answered for too long, Refused for a job that failed; both with the last lines of its log.
        """
        status = ""
        while True:
            check()
            state = self._state()
            if state.status != status:
                _log.info("ray job", job=self.name, status=state.status, message=state.message)
                status = state.status
            if state.ended:
                return self._handed_back(state)
            self._sleep(self._every_s)

    def _state(self) -> JobState:
        def once() -> JobState:
            state = self._jobs.state(self.name)
            self.log.take(self._jobs.log(self.name), whole=state.ended)
            return state

        try:
            return retry(once, seconds=self._lost_s, on_retry=_warn, sleep=self._sleep)
        except TryLater as error:
            message = f"{error.message}; its job is given up after {self._lost_s:g} s"
            raise Unavailable(
                f"{message}{self.log.tail}", field=error.field, fix=error.fix
            ) from error
        except Refused as error:
            raise Refused(
                f"Ray no longer knows the job {self.name}: {error.message}{self.log.tail}",
                field=ADDRESS,
                fix="its head was restarted, and its jobs went with it: start the training again",
            ) from error

    def _handed_back(self, state: JobState) -> str:
        if state.status == "SUCCEEDED" and self.log.result:
            return self.log.result
        what = {"STOPPED": "was stopped", "SUCCEEDED": "ended without a result"}
        said = what.get(state.status, f"failed: {state.message}")
        raise Refused(f"the job on the Ray cluster {said}{self.log.tail}", field="training.engine")

    def _stop(self) -> None:
        """Stop it, and wait a moment for its end. What goes wrong here hides no earlier error."""
        ends = time.monotonic() + STOP_S
        try:
            self._jobs.stop(self.name)
            while not (state := self._jobs.state(self.name)).ended and time.monotonic() < ends:
                self._sleep(0.2)
            self.log.take(self._jobs.log(self.name), whole=state.ended)
            _log.info("ray job stopped", job=self.name, status=state.status)
        except PlatformError as error:
            why = "the job on the Ray cluster could not be stopped; it ends itself"
            _log.warning(why, job=self.name, error=str(error))


def _warn(error: TryLater) -> None:
    _log.warning("Ray is away, trying again", error=str(error))
