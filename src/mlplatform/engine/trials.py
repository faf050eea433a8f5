"""Trials in child processes with limits of time and memory.

A model that never ends its load, or takes all memory, ends its child and nothing else.
"""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer

from pydantic import ValidationError

from mlplatform.contracts.columns import Columns
from mlplatform.engine import known_rows
from mlplatform.engine.apart import EngineApart
from mlplatform.engine.limits import RAISE_MEMORY, RAISE_TIME, TrialLimits
from mlplatform.engine.trial_child import (
    VERDICT_BYTES,
    TrialRequest,
    TrialVerdict,
    too_much,
)
from mlplatform.errors import UnfitModel
from mlplatform.features.child import ENVIRONMENT
from mlplatform.features.hidden import hide

_ARGV = (sys.executable, "-P", "-m", "mlplatform.engine.trial_child")
"""A fresh interpreter and no fork: a forked copy of a process with threads may hang on a lock that
another thread held."""
_IMPORTS_S = 30.0
"""Time for the interpreter and its libraries on a busy machine."""


class Trials:
    """Runs trials, one child each. Safe to share between threads."""

    def __init__(self, limits: TrialLimits, *, trusted: Sequence[str]) -> None:
        self._limits = limits
        self._trusted = tuple(trusted)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._lock = Lock()

    def run(
        self,
        folder: Path,
        features: bytes | None,
        *,
        name: str = "",
        known: Columns | None = None,
    ) -> int:
        """Load and try the model in `folder` in a child; returns the padding that it needs.

        `features` are the bytes of features.py; with `known`, rows that the model answers, the
        columns to blame are told. Blocks for as long as the trial may take. Raises UnfitModel with
        `name` and the reason: a refused row, damaged files, a limit.
        """
        request = TrialRequest(
            folder=folder.absolute(),
            features=None if features is None else base64.b64encode(features).decode(),
            known=None if known is None else known_rows.document(known),
            trusted=self._trusted,
            time_s=self._limits.time_s,
            memory_bytes=self._limits.memory_bytes,
        )
        verdict = self._verdict(request)
        _refuse(verdict, name)
        return verdict.multiple

    def open(self, folder: Path) -> EngineApart:
        """The engine of a model folder, in a child within the same limits.

        Raises IntegrityFailure, UnfitModel.
        """
        return EngineApart(folder, trusted=self._trusted, limits=self._limits)

    def stop(self) -> None:
        """End all children that run, and start no more: this process is about to end."""
        with self._lock:
            self._stopped = True
            running = set(self._running)
        for process in running:
            process.kill()

    def _verdict(self, request: TrialRequest) -> TrialVerdict:
        process = self._begin()
        # A little later than the child's own limit, which begins after its imports.
        late = Timer(request.time_s + _IMPORTS_S, process.kill)
        late.start()
        began = time.monotonic()
        try:
            answer = _talk(process, request.model_dump_json().encode())
        finally:
            late.cancel()
            process.kill()
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            return TrialVerdict(error="its trial was stopped: this process ends")
        if code == -signal.SIGALRM or time.monotonic() - began > request.time_s + _IMPORTS_S:
            return TrialVerdict(
                error=f"its load and trial did not end within {request.time_s:g} s", fix=RAISE_TIME
            )
        return _parsed(answer, code, request)

    def _begin(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise UnfitModel("no trial begins: this process ends")
            hide()
            # A session of its own: an interrupt from the keyboard is for the parent.
            process = subprocess.Popen(
                _ARGV,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,  # features.py runs there: it must find no credentials
                start_new_session=True,
            )
            self._running.add(process)
            return process


def _refuse(verdict: TrialVerdict, name: str) -> None:
    if verdict.error:
        error = ": ".join(filter(None, (name, verdict.error)))
        raise UnfitModel(error, field=verdict.field, fix=verdict.fix)


def _talk(process: subprocess.Popen[bytes], request: bytes) -> bytes:
    """Send the request; returns what the child wrote, `VERDICT_BYTES` at most."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        with suppress(BrokenPipeError):  # it has ended already; its exit code says why
            process.stdin.write(request)
            process.stdin.close()
        return process.stdout.read(VERDICT_BYTES)


def _parsed(answer: bytes, code: int, request: TrialRequest) -> TrialVerdict:
    with suppress(ValidationError):  # the child ended before it could answer
        return TrialVerdict.model_validate_json(answer)
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return TrialVerdict(
        error=f"its load and trial ended with {ended}: {too_much(request.memory_bytes)}, "
        "or its files are damaged",
        fix=RAISE_MEMORY,
    )
