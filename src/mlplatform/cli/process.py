"""How a process begins and ends: settings, logs, and an error of ours as one log line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mlplatform import settings, telemetry
from mlplatform.errors import IntegrityFailure, PlatformError


def begin(process: str) -> settings.Settings:
    """Load the settings and set up the logs of this process."""
    loaded = settings.load()
    telemetry.configure(loaded.telemetry, process=process)
    return loaded


def guarded(work: Callable[[], Any], *, damage: int = 1) -> None:
    """Run a process; an error of ours becomes one log line and exit code 1.

    When bytes are not what they should be, the code is `damage`. Other errors keep their traceback.
    """
    try:
        work()
    except PlatformError as error:
        telemetry.logger("cli").error(
            "process ended", error=str(error), kind=type(error).__name__, field=error.field
        )
        sys.exit(damage if isinstance(error, IntegrityFailure) else 1)


def quiet_logs() -> None:
    """Log only what a person must know, to stderr: results stay alone on stdout."""
    quiet = settings.TelemetrySettings(log_level="warning", log_format="console")
    telemetry.configure(quiet, process="cli")
