"""The child of `mlplatform.features.apart`: load a features.py, then apply it to each table."""

from __future__ import annotations

import pickle
import resource
import sys
from typing import IO

from mlplatform.errors import InvalidInput
from mlplatform.features import code, served
from mlplatform.features.child_end import pipes
from mlplatform.features.frames import write_error, write_frame

MEMORY_BYTES = 4 * 1024**3
"""Address space. A batch of 20,000 rows takes some megabytes; code that grows gets a MemoryError
before the machine has none left."""


def main(parent: int) -> None:
    """Answer until the pipe ends."""
    if ends := pipes(parent):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        _answer(*ends)


def _answer(source: IO[bytes], out: IO[bytes]) -> None:
    definition, text, barred, known = pickle.load(source)  # noqa: S301  (from our own parent)
    served.bar(barred)
    try:
        features = code.load(definition, text, digest=None, history=lambda: known)
    except InvalidInput as error:
        write_error(out, error)
        return
    types = [[one.name, one.dtype] for one in features.features]
    tables = features.probes.tables
    write_frame(out, {}, facts=[types, features.probes.known, len(tables)])
    for table in tables:
        write_frame(out, table)
    while True:
        try:
            columns = pickle.load(source)  # noqa: S301  (as above)
        except EOFError:
            return
        try:
            found = features.apply(columns)
        except InvalidInput as error:
            write_error(out, error)
        else:
            write_frame(out, found)


if __name__ == "__main__":
    main(int(sys.argv[1]))
