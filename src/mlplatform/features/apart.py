"""A pipeline's features.py in a process of its own, which may loop, crash or grow without harm.

The child is started when the features are loaded and fed one table after another over a pipe. It
has none of our environment, bounded memory, and ends with its parent. What it answers is data,
never code.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import IO, Any, cast

from mlplatform.contracts.columns import Columns, Feature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import DigestMismatch, FeaturesEnded, InvalidInput
from mlplatform.features.code import FeatureSet
from mlplatform.features.digest import features_digest
from mlplatform.features.frames import read_frame

START_S = 60.0
"""For the interpreter, NumPy and the trial on generated rows: a second, on a busy machine more."""
_ENVIRONMENT = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def load_apart(
    definition: PipelineDefinition, source: bytes, *, digest: str, limit_s: float
) -> FeatureSet:
    """The features of a definition, whose code runs in a child until the set is gone.

    Raises DigestMismatch, or InvalidInput. `apply` of the set also raises FeaturesEnded when the
    code runs longer than `limit_s` or ends its process; the next call gets a new child.
    """
    found = features_digest(definition, source)
    if digest != found:
        raise DigestMismatch(
            f"features of {definition.name}: digest is {found[:12]}…, recorded was {digest[:12]}…",
            field="features_digest",
        )
    child = _Apart(definition, source, limit_s)
    features = FeatureSet(
        digest=found,
        inputs=definition.columns,
        features=child.start(),
        engineer=child.engineer,
        where=child.where,
    )
    weakref.finalize(features, child.end)
    return features


class _Apart:
    """The process, started again after it had to be ended. One caller at a time."""

    def __init__(self, definition: PipelineDefinition, source: bytes, limit_s: float) -> None:
        self.where = f"pipelines/{definition.name}/features.py"
        self._first = (definition, source)
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> tuple[Feature, ...]:
        """Start it; returns the features that its trial found."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlplatform.features.apart_main", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        try:
            _, found = self._exchange(self._first, START_S, "its trial on generated rows")
        except InvalidInput:
            self.end()
            raise
        return tuple(Feature(name=name, dtype=dtype) for name, dtype in found)

    def engineer(self, columns: Columns) -> Columns:
        """The features of these columns, not checked yet."""
        if self._process is None:
            self.start()
        found, _ = self._exchange(dict(columns), self._limit_s, "these rows")
        return found

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

    def _exchange(self, message: Any, seconds: float, what: str) -> tuple[Columns, list[Any]]:
        process = cast("subprocess.Popen[bytes]", self._process)
        late = threading.Event()

        def expire() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(seconds, expire)
        timer.start()
        try:
            stdin = cast("IO[bytes]", process.stdin)
            pickle.dump(message, stdin, protocol=5)
            stdin.flush()
            return read_frame(cast("IO[bytes]", process.stdout))
        except InvalidInput as error:
            raise InvalidInput(error.message, field=error.field) from None
        except (OSError, EOFError, ValueError) as error:
            timer.cancel()
            code = self.end()
            how = f"took longer than {seconds:g} s" if late.is_set() else f"ended with {code}"
            raise FeaturesEnded(f"{self.where}: {how} for {what}") from error
        finally:
            timer.cancel()


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
