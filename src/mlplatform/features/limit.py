"""A time limit for a pipeline's code that runs inside one of our own threads.

The code is interrupted from outside, by one thread that looks at all running calls, so that a call
pays about a microsecond. That ends loops of Python. A call into C that doesn't come back holds the
whole process, which only its watchdog can end (`mlplatform.watchdog.watch`).
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from mlplatform.errors import FeaturesOverrun

P = ParamSpec("P")
T = TypeVar("T")
_EVERY_S = 0.05
"""How much later than its limit a call may be interrupted. Finding nothing costs microseconds."""


class _Interrupt(BaseException):
    """Not an Exception: `except Exception` in the pipeline's code must not swallow it."""


@dataclass
class _Call:
    until: float
    interrupted: bool = False


class _Watch:
    """The calls of all threads, by thread id, and the thread that looks at them."""

    def __init__(self) -> None:
        self.calls: dict[int, _Call] = {}
        self.lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; does nothing when it runs."""
        with self.lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="features", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            with self.lock:
                for thread, call in list(self.calls.items()):
                    if time.monotonic() > call.until:
                        call.interrupted = True
                        del self.calls[thread]
                        _send(thread, _Interrupt)


_watch = _Watch()


def limited(call: Callable[P, T], *, seconds: float, what: str) -> Callable[P, T]:
    """`call`, which raises FeaturesOverrun when it runs longer than `seconds`.

    `what` begins the message. The returned function may be called in any thread, not by itself.
    """
    _watch.start()

    def within(*arguments: P.args, **named: P.kwargs) -> T:
        own = _Call(time.monotonic() + seconds)
        try:
            _watch.calls[threading.get_ident()] = own
            try:
                found = call(*arguments, **named)
            finally:
                _leave(own)
        except _Interrupt:
            own.interrupted = True
        if own.interrupted:
            raise FeaturesOverrun(f"{what} took longer than {seconds:g} s for these rows")
        return found

    return within


def _leave(own: _Call) -> None:
    """From here on nothing is sent; what was sent and has not arrived is taken back.

    It would strike our own code later.
    """
    thread = threading.get_ident()
    with _watch.lock:
        _watch.calls.pop(thread, None)
        if own.interrupted:
            _send(thread, None)


def _send(thread: int, kind: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind)
    )
