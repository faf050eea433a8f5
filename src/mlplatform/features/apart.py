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
from mlplatform.errors import FeaturesEnded, InvalidInput
from mlplatform.features import served
from mlplatform.features.acceptance import History
from mlplatform.features.code import FeatureSet, require_digest
from mlplatform.features.frames import Frame, read_frame
from mlplatform.features.probe import Probes

START_S = 60.0
"""For the interpreter, NumPy and the trial on rows: a second, on a busy machine more."""
_ENVIRONMENT = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def load_apart(
    definition: PipelineDefinition,
    source: bytes,
    *,
    digest: str,
    limit_s: float,
    history: History | None = None,
    as_served: bool = False,
) -> FeatureSet:
    """The features of a definition, whose code runs in a child until the set is gone.

    See `mlplatform.features.code.load`. With `as_served` the child has only the modules of serving.
    `apply` of the set raises FeaturesEnded when the code runs longer than `limit_s` or ends its
    process; the next call gets a new child.
    """
    require_digest(definition, source, digest)
    barred: frozenset[str] = served.others() if as_served else frozenset()
    child = _Apart(definition, source, barred, limit_s)
    features, probes = child.accepted(history)
    made = FeatureSet(
        digest=digest,
        inputs=definition.columns,
        features=features,
        engineer=child.engineer,
        where=child.where,
        probes=probes,
    )
    weakref.finalize(made, child.end)
    return made


class _Apart:
    """The process, started again after it had to be ended. One caller at a time."""

    def __init__(
        self, definition: PipelineDefinition, source: bytes, barred: frozenset[str], limit_s: float
    ) -> None:
        self.where = f"pipelines/{definition.name}/features.py"
        self._first: tuple[Any, ...] = (definition, source, barred)
        self._known: Columns | None = None
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None

    def accepted(self, history: History | None) -> tuple[tuple[Feature, ...], Probes]:
        """Start it; returns what its trial found, on rows of the history if need be."""
        try:
            return self.start()
        except FeaturesEnded:
            raise
        except InvalidInput:
            self._known = history() if history is not None else None
            if self._known is None:
                raise
            return self.start()

    def start(self) -> tuple[tuple[Feature, ...], Probes]:
        """Start it; returns what its trial found."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlplatform.features.apart_main", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        try:
            (_, (found, known)), *tables = self._exchange(
                (*self._first, self._known), START_S, "its trial", more=True
            )
        except InvalidInput:
            self.end()
            raise
        features = tuple(Feature(name=name, dtype=dtype) for name, dtype in found)
        return features, Probes(tuple(table for table, _ in tables), bool(known))

    def engineer(self, columns: Columns) -> Columns:
        """The features of these columns, not checked yet."""
        if self._process is None:
            self.start()
        ((found, _),) = self._exchange(dict(columns), self._limit_s, "these rows")
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

    def _exchange(
        self, message: Any, seconds: float, what: str, *, more: bool = False
    ) -> list[Frame]:
        """What it answers: one frame; with `more`, as many as the last fact of the first says."""
        process, late = cast("subprocess.Popen[bytes]", self._process), threading.Event()

        def expire() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(seconds, expire)
        timer.start()
        try:
            return _talk(process, message, more=more)
        except InvalidInput as error:
            raise InvalidInput(error.message, field=error.field, fix=error.fix) from None
        except (OSError, EOFError, ValueError, IndexError, TypeError) as error:
            timer.cancel()
            code = self.end()
            how = f"took longer than {seconds:g} s" if late.is_set() else f"ended with {code}"
            raise FeaturesEnded(f"{self.where}: {how} for {what}") from error
        finally:
            timer.cancel()


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
