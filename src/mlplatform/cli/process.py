"""How a process begins and ends: settings, logs, and an error of ours as one log line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mlplatform import settings, telemetry
from mlplatform.errors import PlatformError


def begin(process: str) -> settings.Settings:
    """Load the settings and set up the logs of this process."""
    loaded = settings.load()
    telemetry.configure(loaded.telemetry, process=process)
    return loaded


def guarded(work: Callable[[], Any], *, code: Callable[[PlatformError], int] = lambda _: 1) -> None:
    """Run a process; an error of ours becomes one log line and the exit code that `code` gives it.

    Other errors keep their traceback.
    """
    try:
        work()
    except PlatformError as error:
        telemetry.logger("cli").error(
            "process ended", error=str(error), kind=type(error).__name__, field=error.field
        )
        sys.exit(int(code(error)))


def quiet_logs() -> None:
    """Log only what a person must know, to stderr: results stay alone on stdout."""
    quiet = settings.TelemetrySettings(log_level="warning", log_format="console")
    telemetry.configure(quiet, process="cli")
