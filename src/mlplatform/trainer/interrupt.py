"""What may end a run from outside: SIGTERM, and the definition's `timeout_s`.

Both let everything that was opened be closed. They are raised as BaseException, since the author's
code and the search around it catch Exception.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mlplatform.contracts.exit_code import ExitCode
from mlplatform.errors import CutShort
from mlplatform.trainer import last_resort

_TOO_LONG = "the run took longer than timeout_s of its pipeline.yaml"


class _TimeUp(BaseException):
    """The run took longer than it may."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """SIGTERM raises SystemExit in this block, the time limit CutShort.

    Signals reach only the main thread: elsewhere this does nothing.
    """
    if not _main():
        yield
        return
    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGTERM, _leave), (signal.SIGALRM, _late))
    }
    try:
        yield
    except _TimeUp as error:
        raise CutShort(_TOO_LONG, field="timeout_s") from error
    finally:
        last_resort.cancel()
        # The timer before the handlers: an alarm under the default handler would end the process.
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def put_off_sigterm() -> None:
    """From now on SIGTERM waits for `take_sigterm`, also across an exec.

    To be called while this is the process's only thread: later ones inherit it. One that was there
    before (numpy's library for matrices starts some) would be given the signal instead, and when it
    is ended by the exec in that moment, so is the signal: Python handles it later, in this thread.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def take_sigterm() -> None:
    """SIGTERM is taken again, one that came meanwhile at once."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


@contextmanager
def without_sigterm() -> Iterator[None]:
    """SIGTERM is put off in this block; after it is as it was before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def sleep_with_sigterm(seconds: float) -> None:
    """A pause in which SIGTERM is taken, and put off again after it."""
    try:
        take_sigterm()
        time.sleep(seconds)
    finally:
        put_off_sigterm()


def begin_time_limit(seconds: float, pipeline: str, run: str, *, grace_s: float) -> None:
    """From now on the block of `orderly_end` may take this long; `run` is its id in MLflow.

    What can't be interrupted is ended with its process, `grace_s` later.
    """
    if _main():
        reason = f"{_TOO_LONG}, and could not be interrupted"
        last_resort.begin(seconds + grace_s, pipeline, run, reason)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _leave(_: int, __: FrameType | None) -> None:
    raise SystemExit(ExitCode.CUT_SHORT.value)


def _late(_: int, __: FrameType | None) -> None:
    raise _TimeUp
