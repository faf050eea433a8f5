"""A process of our own Python that answers one message after the other over a pipe.

It has none of our environment and ends with its parent. It gets pickles, which are ours, and gives
frames, which are data: what runs in it is code of others.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, cast

from mlplatform.errors import InvalidInput, PlatformError, RowRefused
from mlplatform.features.frames import Frame, read_frame
from mlplatform.features.hidden import ENVIRONMENT, hide
from mlplatform.unprivileged import command, users


class ChildProcess:
    """Started by `start`, again after it had to be ended. One caller at a time.

    `ended` makes the error for one that took too long or ended by itself, of a sentence that says
    so. `no_files`: it needs none of ours, and runs as a user of its own when we are root.
    """

    def __init__(
        self, module: str, ended: Callable[[str], PlatformError], *, no_files: bool = False
    ) -> None:
        self._no_files = no_files
        self._argv = [sys.executable, "-P", "-m", module, str(os.getpid())]
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started, and not ended since."""
        return self._process is not None

    def start(self) -> None:
        """Start it. Nothing is known of it until it has answered."""
        hide()
        uid = users.fresh() if self._no_files and not command.hindrance() else None
        self._process = subprocess.Popen(
            command.through(self._argv, stop_signal=signal.SIGKILL, uid=uid),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )

    def exchange(
        self, message: Any, seconds: float, what: str, *, more: bool = False
    ) -> list[Frame]:
        """What it answers: one frame; with `more`, as many as the last fact of the first says.

        Raises InvalidInput or RowRefused as it says, and what `ended` makes.
        """
        process, late = cast("subprocess.Popen[bytes]", self._process), threading.Event()
        timer = threading.Timer(seconds, _expire, (process, late))
        timer.start()
        try:
            return _talk(process, message, more=more)
        except RowRefused as error:
            raise RowRefused(error.reason, field=error.field, row=error.row) from None
        except InvalidInput as error:
            raise InvalidInput(error.message, field=error.field, fix=error.fix) from None
        except (OSError, EOFError, ValueError, IndexError, TypeError) as error:
            timer.cancel()
            code = self.end()
            how = f"took longer than {seconds:g} s" if late.is_set() else f"ended with {code}"
            raise self._ended(f"{how} for {what}") from error
        finally:
            timer.cancel()

    def end(self) -> str:
        """Kill it and whatever it started in its session; returns how it had ended."""
        process, self._process = self._process, None
        if process is None:
            return ""
        _kill(process)  # of no effect on one that has ended: its own exit code is told
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            # What could not be sent is still in the buffer, and there is nobody to take it.
            with suppress(OSError):
                cast("IO[bytes]", pipe).close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _expire(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _kill(process)


def _talk(process: subprocess.Popen[bytes], message: Any, *, more: bool) -> list[Frame]:
    stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    pickle.dump(message, stdin, protocol=5)
    stdin.flush()
    first = read_frame(stdout)
    count = int(first[1].pop()) if more else 0
    return [first, *(read_frame(stdout) for _ in range(count))]


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
