"""The child of `mlplatform.engine.foreign.apart`: reads one file, then answers requests about it.

It has no environment, and limits of memory and of processor time; `cut_off` has left the network.
What it reads was written by others, and so were the libraries' parsers in C++.
"""

from __future__ import annotations

import pickle
import resource
from typing import IO, Any

import numpy as np

from mlplatform.contracts.columns import Columns
from mlplatform.engine.blame import reason_of
from mlplatform.engine.foreign import estimators, onnx_file
from mlplatform.engine.foreign.loaded import LoadedEstimator, LoadedGraph
from mlplatform.engine.limits import limit_memory
from mlplatform.errors import InvalidInput, PlatformError
from mlplatform.features.child_end import pipes
from mlplatform.features.frames import write_error, write_frame

CPU_S = 1800
"""Processor time of one import: proofs call the model often, and each call has its own limit."""
FILE_BYTES = 2 << 30
"""CatBoost writes its description into a file."""


def main(parent: int) -> None:
    """Answer until the pipe ends."""
    if ends := pipes(parent):
        _answer(*ends)


def _answer(source: IO[bytes], out: IO[bytes]) -> None:
    file, memory_bytes = pickle.load(source)  # noqa: S301  (from our own parent)
    try:
        estimators.libraries(file)  # before the limit, which is for what the model adds
        limit_memory(memory_bytes)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        model = LoadedGraph(onnx_file.opened(file)) if file.format == "onnx" else None
        loaded = model or LoadedEstimator(file, *estimators.opened(file))
    except BaseException as error:  # noqa: BLE001 - a file's code may raise anything
        write_error(out, _described(error))
        return
    write_frame(out, {}, facts=[loaded.facts()])
    while True:
        try:
            verb, argument = pickle.load(source)  # noqa: S301  (as above)
        except EOFError:
            return
        try:
            found = _done(loaded, verb, argument)
        except BaseException as error:  # noqa: BLE001 - as above
            write_error(out, _described(error))
        else:
            write_frame(out, found)


def _done(loaded: LoadedEstimator | LoadedGraph, verb: str, argument: Any) -> Columns:
    if verb == "predict":
        return loaded.predict(argument)
    data = loaded.written(argument)
    return {"file": np.frombuffer(data, dtype=np.int8)}


def _described(error: BaseException) -> PlatformError:
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, MemoryError):
        return InvalidInput("reading it takes more memory than is allowed", field="FILE")
    reason = reason_of(error) if isinstance(error, Exception) else type(error).__name__
    return InvalidInput(reason, field="FILE")
