"""The child process of a trial: load a model folder within limits, and try it.

A request (JSON) comes on stdin, the verdict (JSON) leaves on stdout. `mlplatform.engine.trials` is
the other end. The process imports what serving would import for this model, then limits itself:
what counts is what the model adds. What nearly all models need it imports before it reads the
request, which may not be there yet.
"""

from __future__ import annotations

import base64
import os
import resource
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel

from mlplatform.contracts.columns import Columns
from mlplatform.engine import known_rows, load
from mlplatform.engine.limits import RAISE_MEMORY, limit_memory
from mlplatform.engine.predictor import Predictor, read_definition, refuse_other_features
from mlplatform.engine.trial import run_trial
from mlplatform.errors import PlatformError
from mlplatform.features.code import load as load_features

WAITING_S = 60.0
"""For a request: 40 MiB are not held for long where the first model is not there yet."""
VERDICT_BYTES = 64 * 1024
"""Most bytes of a verdict; a child that writes more is stopped."""


class TrialRequest(BaseModel):
    """What is tried, and within which limits."""

    folder: Path
    features: str | None  # base64 of features.py
    known: dict[str, list[Any]] | None = None  # rows that the model answers, if it answers any
    trusted: tuple[str, ...]
    time_s: float
    memory_bytes: int


class TrialVerdict(BaseModel):
    """How the trial ended: the padding that the model needs, or why it may not serve."""

    multiple: int = 2
    error: str = ""
    field: str = ""
    fix: str = ""


def judge(request: TrialRequest) -> TrialVerdict:
    """Load and try the model of `request`. Never raises."""
    try:
        model = _opened(request)
        return TrialVerdict(multiple=run_trial(model, known=_known(request)))
    except BaseException as error:  # noqa: BLE001 - a model is foreign code, SystemExit included
        if _is_out_of_memory(error):
            return TrialVerdict(error=too_much(request.memory_bytes), fix=RAISE_MEMORY)
        if isinstance(error, PlatformError):
            return TrialVerdict(error=error.message[:4000], field=error.field, fix=error.fix[:4000])
        return TrialVerdict(error=f"{type(error).__name__}: {error}"[:4000])


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether it, or what caused it, is an allocation that failed."""
    if error is None:
        return False
    text = str(error)
    if isinstance(error, MemoryError) or "bad_alloc" in text or "Failed to allocate" in text:
        return True
    return _is_out_of_memory(error.__cause__)


def _opened(request: TrialRequest) -> Predictor:
    signature = load.read_signature(request.folder)
    definition = read_definition(request.folder)
    adapter = load.adapter(signature)
    _limit(request)
    source = None if request.features is None else base64.b64decode(request.features)
    features = load_features(
        definition,
        source,
        digest=signature.features_digest,
        history=lambda: known_rows.read(request.folder, definition),
    )
    refuse_other_features(signature, features)
    data = load.proven(request.folder, signature.model_file)
    return Predictor(signature, features, adapter.load(data, signature, request.trusted))


def _known(request: TrialRequest) -> Columns | None:
    if request.known is None:
        return None
    return known_rows.table(request.known, read_definition(request.folder))


def _limit(request: TrialRequest) -> None:
    # The kernel ends the process also where the parent was killed and nobody waits any more.
    signal.setitimer(signal.ITIMER_REAL, request.time_s)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_memory(request.memory_bytes)


def too_much(memory_bytes: int) -> str:
    """The complaint about a model that takes more than that."""
    return f"its load and trial take more memory than {memory_bytes >> 20} MiB"


def _own_stdout() -> TextIO:
    """The pipe to the parent; what libraries print goes to stderr."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


def main() -> None:
    """Answer the one request of this process."""
    with _own_stdout() as answer:
        signal.setitimer(signal.ITIMER_REAL, WAITING_S)
        import_module("mlplatform.engine.onnx")
        if not (message := sys.stdin.buffer.read()):
            return  # the parent has ended without one
        signal.setitimer(signal.ITIMER_REAL, 0)
        request = TrialRequest.model_validate_json(message)
        answer.write(judge(request).model_dump_json())
        answer.flush()
        # Not the interpreter's orderly end: a model's threads and finalisers could hold it up.
        os._exit(0)


if __name__ == "__main__":
    main()
