"""The parent of several serving processes: gives each a socket, and restarts those that die.

It answers nothing itself and loads no model, so it imports next to nothing, and nothing that a
request or a model does can hold it up.

Each worker has a listening socket of its own on the same port (SO_REUSEPORT), and the kernel
spreads connections over them by address. On one shared socket whichever process wakes first takes
all that wait: of 64 connections one of two workers got 56 to 62. The parent keeps the sockets open.
So connections that wait for a worker that dies are not reset, but taken by its successor.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from mlplatform.errors import SettingsError
from mlplatform.memory import end_start
from mlplatform.serving.board import Board
from mlplatform.settings import Settings, variable
from mlplatform.telemetry import logger

_POLL_S = 0.1
_MOST_DEATHS = 3
_WITHIN_S = 60.0
"""So many deaths in that time have a cause that does not pass by itself: the pod ends, and whoever
runs it shows it and starts it again, with growing pauses."""
_BACKLOG = 2048
"""Connections that may wait to be taken; uvicorn's own figure."""
_log = logger("serving")


class Deaths:
    """Counts the workers that ended without being asked to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_MOST_DEATHS)

    def too_many(self) -> bool:
        """Count one; whether it is one too many."""
        now = self._clock()
        self._times.append(now)
        return len(self._times) == _MOST_DEATHS and now - self._times[0] <= _WITHIN_S


class Workers:
    """The child processes. `start(n)` starts worker n, from 1 on."""

    def __init__(
        self, start: Callable[[int], subprocess.Popen[bytes]], board: Board, count: int
    ) -> None:
        self._start = start
        self._board = board
        self._deaths = Deaths()
        self._signals = 0  # that came
        self._passed = 0  # of these, passed on
        self._woken = threading.Event()
        self._codes: list[int] = []  # of the workers that were not started again
        self._count = count
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def leave(self, *_: object) -> None:
        """Have all end; a second call skips their lingering. For a signal handler."""
        self._signals += 1
        self._woken.set()

    def run(self, leaving: Callable[[], None]) -> int:
        """Until all have ended; the exit code. `leaving` is called when that begins."""
        self._running = {number: self._start(number) for number in range(1, self._count + 1)}
        while self._running:
            if self._signals > self._passed:
                if not self._passed:
                    leaving()
                self._passed += 1
                for process in self._running.values():
                    process.send_signal(signal.SIGTERM)
            self._inspect()
            self._woken.wait(_POLL_S)
            self._woken.clear()
        return next((code for code in self._codes if code), 0)

    def _inspect(self) -> None:
        for number, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            code = code if code >= 0 else 128 - code  # as a shell says it
            if self._signals:
                self._codes.append(code)
                del self._running[number]
            else:
                self._bury(number, code)

    def _bury(self, number: int, code: int) -> None:
        self._board.ended(number)
        if self._deaths.too_many():
            _log.error(
                "workers keep ending: the others are stopped too",
                worker=number,
                code=code,
                deaths=_MOST_DEATHS,
                within_s=_WITHIN_S,
            )
            self._codes.append(code or 1)
            del self._running[number]
            self.leave()
            return
        _log.error("a worker has ended, and is started again", worker=number, code=code)
        self._running[number] = self._start(number)


def run(settings: Settings, argv: list[str]) -> int:
    """Serve with `settings.serving.workers` processes until SIGTERM or SIGINT; the exit code.

    `argv`: the command line without the program, which each worker is started with again. Raises
    SettingsError when the port can't be opened.
    """
    serving = settings.serving
    listeners = listen(serving.host, serving.port, serving.workers)
    board = Board.make(serving.workers)

    def close() -> None:
        # The workers have the sockets still, and close them in their own time.
        for listener in listeners:
            listener.close()

    workers = Workers(partial(_start, argv, listeners, board), board, serving.workers)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, workers.leave)
    end_start()
    _log.info("workers started", workers=serving.workers)
    return workers.run(close)


def _start(
    argv: list[str], listeners: list[socket.socket], board: Board, number: int
) -> subprocess.Popen[bytes]:
    listener = listeners[number - 1].fileno()
    words = f"{number},{listener},{board.descriptor}"
    return subprocess.Popen(
        [sys.executable, "-m", "mlplatform", *argv, "--worker", words],
        pass_fds=(listener, board.descriptor),
    )


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets that listen on one port. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as alone:
            # Without SO_REUSEPORT: this finds out whether somebody else listens there.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((host, port))
            port = alone.getsockname()[1]
        return [_listener(family, host, port) for _ in range(count)]
    except OSError as error:
        raise SettingsError(
            f"can't listen on {host}, port {port}: {error.strerror}",
            field=variable("serving", "port"),
            fix="choose another port, or end what listens there",
        ) from error


def _listener(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(_BACKLOG)
    return listener
