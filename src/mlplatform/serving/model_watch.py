"""What becomes of a process whose model hangs.

A call that takes longer than its limit can't be interrupted: it may stand in C code. So its
requests get 503, the pipeline takes no more, and readiness fails, which keeps new ones away. When
the call has not come back after as long again, the process ends, and whoever runs it starts it
again. (A call that also holds the event loop is ended by `mlplatform.watchdog`.)
"""

from __future__ import annotations

import atexit
import os

from mlplatform.serving.slot import Slots
from mlplatform.telemetry import logger

EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""
_log = logger("serving")


class ModelWatch:
    """Looks at the calls of all models; `hung_s` 0: none is too long."""

    def __init__(self, slots: Slots, *, hung_s: float) -> None:
        self._slots = slots
        self._hung_s = hung_s
        self._hung: list[str] = []

    def inspect(self) -> bool:
        """Refuse what waits for models that hang; whether it is time to leave.

        To be called a few times a second.
        """
        if not self._hung_s:
            return False
        longest = max((slot.watch_calls() for slot in self._slots.all()), default=0.0)
        hung = [slot.hung for slot in self._slots.all() if slot.hung]
        if hung and not self._hung:
            _log.error("a model hangs: its requests are refused", models=hung)
        self._hung = hung
        return longest > 2 * self._hung_s

    def end_if_hung(self) -> None:
        """End the process at once when a model hangs: Python would wait for its thread."""
        if self._hung:
            _log.error("the process ends with a model that does not come back", models=self._hung)
            atexit._run_exitfuncs()  # noqa: SLF001  (last log lines; `os._exit` skips them)
            os._exit(EXIT_CODE)
