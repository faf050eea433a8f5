"""Tells the data API how a run goes: its steps, what came of them, and how it ended.

A thread sends, so that a data API that is away holds nothing up. Each report says all that is known
by then: one that could not be sent is made up for by the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.lease import Lease
from mlplatform.contracts.run import RunStep
from mlplatform.contracts.run_report import RunEnd
from mlplatform.errors import PlatformError, TryLater
from mlplatform.retry import retry
from mlplatform.telemetry import logger
from mlplatform.trainer.run_end import ended_by

PAUSE_S = 2.0
"""Between a report that could not be sent and the next try."""
LAST_S = 20.0
"""How long the last report is tried: the rest of an orderly end must fit into the 30 s that a
cluster gives a pod."""
_log = logger("trainer")


class RunReporter:
    """What is known of one run. `api` has the run's token, and must not retry by itself.

    Safe to share between threads; nothing here fails the run.
    """

    def __init__(
        self,
        api: DataApi,
        lease: Lease,
        *,
        last_s: float = LAST_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._lease = lease
        self._last_s = last_s
        self._sleep = sleep
        self._lock = threading.Lock()
        self._steps: dict[str, RunStep] = {}
        self._facts: dict[str, Any] = {}
        self._number = 0
        self._news = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def step(self, name: str, seconds: float | None) -> None:
        """A step begins, or has taken so many seconds."""
        with self._lock:
            self._steps[name] = RunStep(step=name, seconds=seconds)
        self._news.set()

    def note(self, **facts: Any) -> None:
        """Fields of RunReport that are known now."""
        with self._lock:
            self._facts |= facts
        self._news.set()

    def end(self, how: RunEnd) -> None:
        """The last report; blocks until it is sent, or the time for it is over."""
        self._ending.set()
        self._news.set()
        self._thread.join()
        self.note(end=how)
        try:
            retry(self._send, seconds=self._last_s, sleep=self._sleep)
        except PlatformError as error:
            _log.warning("the run's record does not know how it ended", error=str(error))

    def _send(self) -> None:
        with self._lock:
            self._number += 1
            facts = {"steps": list(self._steps.values()), **self._facts}
            number = self._number
        self._api.report_run(self._lease.pipeline, self._lease.run, number=number, **facts)

    def _keep(self) -> None:
        refusal = ""
        while True:
            self._news.wait()
            if self._ending.is_set():
                return
            self._news.clear()
            try:
                self._send()
            except TryLater as error:
                _log.warning("report not sent, will try again", error=str(error))
                self._news.set()
                self._ending.wait(PAUSE_S)
            except PlatformError as error:  # the next one may be taken: the lease decides, not this
                if refusal != str(error):  # a run without a record has all refused
                    refusal = str(error)
                    _log.warning("report refused", error=refusal)


@contextmanager
def reported(api: DataApi, lease: Lease) -> Iterator[RunReporter]:
    """A reporter whose last report says how this block was left."""
    reporter = RunReporter(api, lease)
    reporter.start()
    try:
        yield reporter
    except BaseException as error:  # SIGTERM and the time limit are no Exceptions
        reporter.end(ended_by(error))
        raise
    reporter.end(RunEnd(state="succeeded", exit_code=0))
