"""The child of `mlplatform.engine.apart`: load a model folder, then answer table after table."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import IO

from mlplatform.engine import load
from mlplatform.engine.blame import reason_of
from mlplatform.engine.interface import Engine
from mlplatform.engine.limits import limit_memory
from mlplatform.errors import InvalidInput, PlatformError
from mlplatform.features.child_end import pipes
from mlplatform.features.frames import write_error, write_frame


def main(parent: int) -> None:
    """Answer until the pipe ends."""
    if ends := pipes(parent):
        _answer(*ends)


def _answer(source: IO[bytes], out: IO[bytes]) -> None:
    folder, trusted, memory_bytes = pickle.load(source)  # noqa: S301  (from our own parent)
    try:
        engine = _loaded(Path(folder), trusted, memory_bytes)
    except Exception as error:  # noqa: BLE001 - loaders may raise anything
        write_error(out, _described(error))
        return
    write_frame(out, {})
    while True:
        try:
            table = pickle.load(source)  # noqa: S301  (as above)
        except EOFError:
            return
        try:
            answers = engine.predict(table)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common class
            write_error(out, _described(error))
        else:
            write_frame(out, answers)


def _loaded(folder: Path, trusted: tuple[str, ...], memory_bytes: int) -> Engine:
    signature = load.read_signature(folder)
    adapter = load.adapter(signature)  # with its libraries: the limit is for what the model adds
    limit_memory(memory_bytes)
    return adapter.load(load.proven(folder, signature.model_file), signature, trusted)


def _described(error: Exception) -> PlatformError:
    return error if isinstance(error, PlatformError) else InvalidInput(reason_of(error))


if __name__ == "__main__":
    main(int(sys.argv[1]))
