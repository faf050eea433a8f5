"""The child of `mlplatform.features.apart`: load a features.py, then apply it to each table."""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
from typing import IO

from mlplatform.errors import InvalidInput
from mlplatform.features import code, served
from mlplatform.features.frames import write_error, write_frame

MEMORY_BYTES = 4 * 1024**3
"""Address space. A batch of 20,000 rows takes some megabytes; code that grows gets a MemoryError
before the machine has none left."""
_PR_SET_PDEATHSIG = 1


def main(parent: int) -> None:
    """Answer until the pipe ends."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What the pipeline's code prints goes to the log, not between our answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _answer(os.fdopen(os.dup(0), "rb"), out)


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
