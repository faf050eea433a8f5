"""Answers of a child process as bytes: one line of JSON, then the numbers of its arrays.

Not pickle: whoever reads them must not run what the child's code makes up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from mlplatform.contracts.columns import Columns
from mlplatform.errors import InvalidInput, PlatformError, RowRefused

Frame = tuple[Columns, list[Any]]
"""Columns, and the facts that came with them."""
_KINDS = frozenset("fib")
_LONGEST = 4000


def write_frame(out: IO[bytes], columns: Columns, *, facts: Sequence[Any] = ()) -> None:
    """Write columns (float64, int64, bool or object of str and None) and some JSON facts.

    Numbers may have several values per row.
    """
    head: list[Any] = []
    parts: list[bytes] = []
    for name, array in columns.items():
        if array.dtype.kind in _KINDS:
            parts.append(array.tobytes())
            head.append([name, array.dtype.str, len(parts[-1]), array.shape[1:]])
        else:
            head.append([name, "", array.tolist(), ()])
    out.write(json.dumps({"columns": head, "facts": list(facts)}).encode() + b"\n")
    out.writelines(parts)
    out.flush()


def write_error(out: IO[bytes], error: PlatformError) -> None:
    """Write a refusal, cut to what a person reads: the code chose its words."""
    facts = {"error": error.message[:_LONGEST], "field": error.field[:_LONGEST], "fix": error.fix}
    if isinstance(error, RowRefused) and error.row is not None:
        facts |= {"error": error.reason[:_LONGEST], "row": str(error.row)}
    out.write(json.dumps(facts).encode() + b"\n")
    out.flush()


def read_frame(source: IO[bytes]) -> Frame:
    """What was written.

    Raises InvalidInput or RowRefused for a refusal, EOFError or ValueError for anything else.
    """
    line = source.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    try:
        if "error" in head:
            message, field, fix = (str(head[word]) for word in ("error", "field", "fix"))
            if "row" in head:
                raise RowRefused(message, field=field, row=int(head["row"]))
            raise InvalidInput(message, field=field, fix=fix)
        columns = {
            str(name): _array(source, kind, rest, shape)
            for name, kind, rest, shape in head["columns"]
        }
        return columns, list(head["facts"])
    except (KeyError, TypeError) as error:
        raise ValueError("not a frame") from error


def _array(source: IO[bytes], kind: str, rest: Any, shape: Any) -> Any:
    if kind:
        dtype = np.dtype(kind)
        if dtype.kind not in _KINDS:
            raise ValueError("not a frame")
        data = source.read(int(rest))
        if len(data) < rest:
            raise EOFError
        flat = np.frombuffer(data, dtype=dtype).copy()
        return flat.reshape(-1, *map(int, shape)) if len(data) else flat
    array = np.empty(len(rest), dtype=object)
    array[:] = rest
    return array
