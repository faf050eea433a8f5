"""Log lines leave through a thread: who logs never waits for a disk or a pipe.

What the thread can't write in time is dropped and counted. In order, whole lines only.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable

MOST_BYTES = 4 * 1024 * 1024
"""Of lines that wait: seconds of a busy process, and nothing beside its own memory."""
EXIT_S = 2.0
"""How long the end of a process waits for its last lines: a disk that hangs must not keep it."""


class LogWriter:
    """A text stream on a file descriptor. Safe to use from any thread and from signal handlers.

    `on_drop` is called for every text that is dropped, `on_recovery` with their number once
    writing works again.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        on_drop: Callable[[], object],
        on_recovery: Callable[[int], object],
    ) -> None:
        self._descriptor = descriptor
        self._on_drop, self._on_recovery = on_drop, on_recovery
        self._begin()
        # A fork copies neither the thread nor who holds the lock.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = self._dropped = 0  # bytes of those that wait or are being written
        # Reentrant: a signal handler that logs may interrupt `write` in the same thread.
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Take a text to write, or drop it where too many wait."""
        data = text.encode(errors="backslashreplace")
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            room = self._bytes + len(data) <= MOST_BYTES
            if room:
                self._waiting.append(data)
                self._bytes += len(data)
                self._changed.notify_all()
            else:
                self._dropped += 1
        if not room:
            self._on_drop()

    def flush(self) -> None:
        """Do nothing: who logs does not wait."""

    def drain(self, seconds: float = EXIT_S) -> None:
        """Wait until all is written, at most so long."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._bytes and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                texts = list(self._waiting)
                self._waiting.clear()
            lost = 0 if self._written(b"".join(texts)) else len(texts)
            with self._changed:
                self._bytes -= sum(map(len, texts))
                self._dropped += lost
                # Told only when there is room for the line that tells it.
                recovered = not lost and self._bytes <= MOST_BYTES // 2
                dropped = self._dropped if recovered else 0
                self._dropped -= dropped
                self._changed.notify_all()
            for _ in range(lost):
                self._on_drop()
            if dropped:
                self._on_recovery(dropped)

    def _written(self, data: bytes) -> bool:
        """False when the file refuses it: its reader is gone, the disk is full."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # somebody made the pipe non-blocking, and it is full
                time.sleep(0.05)
            except OSError:
                return False
        return True
