"""Whether a process that was ready still answers, as seen from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from mlplatform.telemetry import logger

EVERY_S = 2.0
POLLS = 3
"""Polls in a row without an answer before a process is called silent: one alone may be bad luck."""
MOST_S = 8.0
"""What one poll counts for at most: its pause, and a probe that waits 5 s. A machine that slept,
and everything on it, was silent for hours and nobody is to blame."""
_log = logger("local")


class Health:
    """The polls of one run of a process. `poll` is called in one thread, the rest in any."""

    def __init__(
        self,
        name: str,
        probe: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._probe = probe
        self._clock = clock
        self._wall = wall
        self._missed = 0  # polls in a row
        self._polled = clock()
        self.silent_s = 0.0
        """How long it has not answered, as far as somebody looked."""
        self._since = 0.0  # when that began, in seconds since 1970

    @property
    def silent(self) -> bool:
        """Whether it is called so."""
        return self._missed >= POLLS

    @property
    def reason(self) -> str:
        """For people: since when, in their own time."""
        since = datetime.fromtimestamp(self._since, UTC).astimezone()
        return f"not answering since {since:%H:%M:%S}"

    def poll(self) -> None:
        """Ask once. Blocks for as long as the probe does."""
        answered = self._answers()
        now = self._clock()
        if answered:
            self._missed, self.silent_s = 0, 0.0
        else:
            if not self._missed:
                self._since = self._wall()
            self._missed += 1
            self.silent_s += min(now - self._polled, MOST_S)
        self._polled = now

    def _answers(self) -> bool:
        try:
            return self._probe()
        except Exception as error:  # noqa: BLE001  (whatever it was, it was no answer)
            _log.warning("a health probe failed", process=self._name, error=repr(error))
            return False
