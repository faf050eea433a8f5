"""Whether serving on this machine has taken up a version that was promoted."""

from __future__ import annotations

import time

from mlplatform.cli.connection import Platform
from mlplatform.errors import PlatformError

TAKE_UP_S = 20.0
"""On one machine serving looks for promotions twice a second, and a load takes about one."""
POLL_S = 0.1


def await_answer(platform: Platform, name: str, version: str) -> str:
    """Wait until serving answers with that version; "" when it does, else why it does not.

    For a local stack: elsewhere many pods serve, and each follows in its own time.
    """
    deadline = time.monotonic() + TAKE_UP_S
    try:
        with platform.serving() as serving:
            while serving.outbox().versions.get(name) != version:
                if time.monotonic() > deadline:
                    why = serving.ready().get(name)
                    return why or f"it has not taken it up in {TAKE_UP_S:.0f} s"
                time.sleep(POLL_S)
    except PlatformError as error:
        return error.message
    return ""
