"""Trials in child processes with limits of time and memory.

A model that never ends its load, or takes all memory, ends its child and nothing else.
"""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer

from pydantic import ValidationError

from mlplatform.contracts.columns import Columns
from mlplatform.engine import known_rows, trial_process
from mlplatform.engine.apart import EngineApart
from mlplatform.engine.limits import RAISE_MEMORY, RAISE_TIME, TrialLimits
from mlplatform.engine.trial_child import (
    VERDICT_BYTES,
    TrialRequest,
    TrialVerdict,
    too_much,
)
from mlplatform.engine.trial_process import TrialProcess
from mlplatform.errors import UnfitModel

_IMPORTS_S = 30.0
"""Time for the interpreter and its libraries on a busy machine."""


class RunningTrial:
    """A trial whose request was sent. It ends with `padding`, which is to be called once."""

    def __init__(
        self,
        process: TrialProcess,
        request: TrialRequest,
        name: str,
        ended: Callable[[TrialProcess], bool],
    ) -> None:
        """Send the request. `ended` is told of the process's end; whether it was stopped."""
        self._process, self._request, self._name, self._ended = process, request, name, ended
        # A little later than the child's own limit, which begins after its imports.
        self._late = Timer(request.time_s + _IMPORTS_S, process.kill)
        self._late.start()
        self._began = time.monotonic()
        _send(process, request.model_dump_json().encode())

    def padding(self) -> int:
        """The padding that the model needs. See Trials.run."""
        verdict = self._verdict()
        _refuse(verdict, self._name)
        return verdict.multiple

    def _verdict(self) -> TrialVerdict:
        process, request, stopped = self._process, self._request, False
        try:
            answer = _answer(process)
        finally:
            self._late.cancel()
            process.kill()
            code = process.wait()
            stopped = self._ended(process)
        if stopped:
            return TrialVerdict(error="its trial was stopped: this process ends")
        late = time.monotonic() - self._began > request.time_s + _IMPORTS_S
        if code == -signal.SIGALRM or late:
            return TrialVerdict(
                error=f"its load and trial did not end within {request.time_s:g} s", fix=RAISE_TIME
            )
        return _parsed(answer, code, request)


class Trials:
    """Runs trials, one child each. Safe to share between threads.

    The first one uses `waiting`, a child of `trial_process.start`, if there is one.
    """

    def __init__(
        self,
        limits: TrialLimits,
        *,
        trusted: Sequence[str],
        waiting: TrialProcess | None = None,
    ) -> None:
        self._limits = limits
        self._trusted = tuple(trusted)
        self._waiting = waiting
        self._running: set[TrialProcess] = set()
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
        return self.begin(folder, features, name=name, known=known).padding()

    def begin(
        self,
        folder: Path,
        features: bytes | None,
        *,
        name: str = "",
        known: Columns | None = None,
    ) -> RunningTrial:
        """The same, without waiting for its end."""
        request = TrialRequest(
            folder=folder.absolute(),
            features=None if features is None else base64.b64encode(features).decode(),
            known=None if known is None else known_rows.document(known),
            trusted=self._trusted,
            time_s=self._limits.time_s,
            memory_bytes=self._limits.memory_bytes,
        )
        return RunningTrial(self._child(), request, name, self._ended)

    def open(self, folder: Path) -> EngineApart:
        """The engine of a model folder, in a child within the same limits.

        Raises IntegrityFailure, UnfitModel.
        """
        return EngineApart(folder, trusted=self._trusted, limits=self._limits)

    def stop(self) -> None:
        """End all children that run, and start no more: this process is about to end."""
        with self._lock:
            self._stopped = True
            running = {*self._running, *filter(None, [self._waiting])}
        for process in running:
            process.kill()

    def _child(self) -> TrialProcess:
        with self._lock:
            if self._stopped:
                raise UnfitModel("no trial begins: this process ends")
            process = self._taken() or trial_process.start()
            self._running.add(process)
            return process

    def _taken(self) -> TrialProcess | None:
        """The child that waits; none where there was none, or not for a minute any more."""
        process, self._waiting = self._waiting, None
        if process is None or process.poll() is None:
            return process
        with process:  # closes its pipes
            return None

    def _ended(self, process: TrialProcess) -> bool:
        with self._lock:
            self._running.discard(process)
            return self._stopped


def _refuse(verdict: TrialVerdict, name: str) -> None:
    if verdict.error:
        error = ": ".join(filter(None, (name, verdict.error)))
        raise UnfitModel(error, field=verdict.field, fix=verdict.fix)


def _send(process: TrialProcess, request: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:  # its exit code says why it has ended
        pipe.write(request)


def _answer(process: TrialProcess) -> bytes:
    """What the child wrote, `VERDICT_BYTES` at most."""
    assert process.stdout is not None
    with process.stdout as pipe:
        return pipe.read(VERDICT_BYTES)


def _parsed(answer: bytes, code: int, request: TrialRequest) -> TrialVerdict:
    with suppress(ValidationError):  # the child ended before it could answer
        return TrialVerdict.model_validate_json(answer)
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return TrialVerdict(
        error=f"its load and trial ended with {ended}: {too_much(request.memory_bytes)}, "
        "or its files are damaged",
        fix=RAISE_MEMORY,
    )
