"""How long a client waits: `X-Request-Timeout-Ms`.

One rule: a request whose time is over before the model has begun with it is not computed and not
stored, and gets 504. From then on it is computed, stored and answered, however long that takes.
"""

from __future__ import annotations

import asyncio
import time

from mlplatform.errors import DeadlinePassed, InvalidInput
from mlplatform.serving.request import PendingRequest

HEADER = b"x-request-timeout-ms"
_DIGITS = 9  # eleven days: more is a mistake, and the event loop's clock can't tell it from never
MOST_MS = 10**_DIGITS - 1


def timeout_s(header: bytes | None) -> float | None:
    """The seconds that the header gives; None without one.

    Raises InvalidInput unless it is a positive whole number of milliseconds.
    """
    if header is None:
        return None
    if not header.isdigit() or len(header) > _DIGITS or not int(header):
        raise InvalidInput(
            f"{header[:40].decode('latin-1')!r} is not a number of milliseconds",
            field=HEADER.decode(),
            fix=f"send a whole number from 1 to {MOST_MS}, or leave the header out",
        )
    return int(header) / 1000


def deadline(seconds: float | None) -> float | None:
    """The end of that time, counted from now on, by the event loop's clock; None without one."""
    return None if seconds is None else time.monotonic() + seconds


def expire(pending: PendingRequest, at: float) -> asyncio.TimerHandle:
    """Let `pending` fail at that time if the model has not begun with it; to be cancelled.

    Raises DeadlinePassed when it is too late already.
    """
    if time.monotonic() >= at:
        raise _passed()
    return asyncio.get_running_loop().call_at(at, _expire, pending)


def _expire(pending: PendingRequest) -> None:
    if not pending.begun:
        pending.fail(_passed())


def _passed() -> DeadlinePassed:
    return DeadlinePassed(
        "the time that the request gave was over before the model had begun with it: it is not "
        "stored",
        field=HEADER.decode(),
    )
