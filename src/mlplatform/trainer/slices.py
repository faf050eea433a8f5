"""Parts of the test rows by the value of one column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_ROWS = 20
"""A slice with fewer rows says nothing: its metric is shown, its gate does not count."""
_MOST_VALUES = 50


@dataclass(frozen=True)
class Slice:
    """Positions of the rows that share a value (numbers: a quarter of the range of ranks)."""

    name: str
    positions: NDArray[np.int64]

    @property
    def counts(self) -> bool:
        """True when there are enough rows to judge."""
        return len(self.positions) >= LEAST_ROWS


def slices(column: str, values: NDArray[Any]) -> list[Slice]:
    """The slices of one column: each value of strings and bools, quartiles of numbers.

    Nulls are a slice of their own. Of more than 50 distinct strings the 49 most frequent stand
    alone and the rest are one slice.
    """
    if values.dtype.kind in "fi" and len(np.unique(values[~_null(values)])) > 4:
        return _quartiles(column, values)
    texts = np.array(
        ["null" if gone else str(value) for value, gone in zip(values, _null(values), strict=True)],
        dtype=object,
    )
    names, counts = np.unique(texts.astype(str), return_counts=True)
    if len(names) > _MOST_VALUES:
        rare = set(names[np.argsort(-counts, kind="stable")[_MOST_VALUES - 1 :]])
        texts = np.array(
            ["(other values)" if text in rare else text for text in texts], dtype=object
        )
        names = np.unique(texts.astype(str))
    return [
        Slice(f"{column}={name}", np.flatnonzero(texts == name).astype(np.int64)) for name in names
    ]


def _quartiles(column: str, values: NDArray[Any]) -> list[Slice]:
    null = _null(values)
    borders = np.unique(np.quantile(values[~null], [0.0, 0.25, 0.5, 0.75, 1.0]))
    place = np.clip(np.searchsorted(borders, values, side="right") - 1, 0, len(borders) - 2)
    found = []
    for part in range(len(borders) - 1):
        at = np.flatnonzero((place == part) & ~null).astype(np.int64)
        end = "]" if part == len(borders) - 2 else ")"  # only the last one holds its upper border
        if len(at):
            name = f"{column} in [{borders[part]:.6g}, {borders[part + 1]:.6g}{end}"
            found.append(Slice(name, at))
    if null.any():
        found.append(Slice(f"{column}=null", np.flatnonzero(null).astype(np.int64)))
    return found


def _null(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values), dtype=np.bool_)
    if values.dtype.kind == "O":
        return np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))
    return np.zeros(len(values), dtype=np.bool_)
