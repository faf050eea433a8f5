"""Which rows are answered, and with what: code that isn't ours may refuse some of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns, length
from mlplatform.engine.blame import reason_of
from mlplatform.errors import RowRefused, UnfitModel

Call = Callable[[Columns], Columns]


@dataclass(frozen=True)
class Outcome:
    """`answered` is one flag per row; `answers` are those of the answered rows, in their order.

    `answers` has no columns when no row was answered. `reason` is why the first one was refused.
    """

    answered: NDArray[np.bool_]
    answers: Columns
    reason: str = ""


def outcome(call: Call, rows: Columns, *, numbers: bool = True) -> Outcome:
    """What `call` makes of each row; with `numbers`, one that is none is no answer.

    One call; when it raises, halved until the refused rows are alone. Rows must not depend on one
    another. Raises UnfitModel when a limit has ended the model.
    """
    answered, parts, reason = np.zeros(length(rows), dtype=np.bool_), list[Columns](), ""
    ranges = [(0, length(rows))]
    while ranges:
        first, last = ranges.pop()
        if first == last:
            continue
        try:
            found = call(_part(rows, first, last))
        except UnfitModel:  # it takes no more calls
            raise
        except Exception as error:  # noqa: BLE001 - the author's estimator may raise anything
            reason = reason or reason_of(error)
            ranges += _around(error, first, last)
            continue
        known = _numbers(found) if numbers else np.ones(last - first, dtype=np.bool_)
        reason = reason or ("" if known.all() else "it gives NaN or infinity")
        answered[first:last] = known
        parts.append({name: values[known] for name, values in found.items()})
    return Outcome(answered, _joined(parts), reason)


def taken(answers: Columns, rows: NDArray[np.bool_]) -> Columns:
    """Some of the rows."""
    return {name: values[rows] for name, values in answers.items()}


def _around(error: Exception, first: int, last: int) -> list[tuple[int, int]]:
    """What is left to ask after that error, the front last: it comes next."""
    if last - first == 1:
        return []
    if isinstance(error, RowRefused) and error.row is not None:
        at = first + error.row
        return [(at + 1, last), (first, at)]
    middle = (first + last) // 2
    return [(middle, last), (first, middle)]


def _numbers(found: Columns) -> NDArray[np.bool_]:
    known = np.ones(length(found), dtype=np.bool_)
    for values in found.values():
        if values.dtype.kind == "f":
            known &= np.isfinite(values).reshape(len(values), -1).all(axis=1)
    return known


def _joined(parts: list[Columns]) -> Columns:
    parts = [part for part in parts if length(part)]
    names = parts[0] if parts else ()
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _part(rows: Columns, first: int, last: int) -> Columns:
    return {name: values[first:last] for name, values in rows.items()}
