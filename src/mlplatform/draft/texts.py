"""The type of a column of texts, by what stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlplatform.features.cells import convert
from mlplatform.features.moment import moment

_MOSTLY = 0.9
"""Share of numbers from which the other texts of a column are taken as mistakes."""
_FLAGS = {"true": True, "false": False}
_SOME = 200  # texts that must all be times
Found = tuple[Literal["float64", "int64", "string", "bool", "time"], NDArray[Any], tuple[str, ...]]


def typed(texts: NDArray[Any], *, numbers: bool = True) -> Found:
    """Kind, values and odd texts of a column; None is null.

    `numbers` False: what looks like a number is a text all the same, as in JSON.
    """
    distinct = sorted({text for text in texts if text is not None})
    if numbers:
        odd = {text: None for text in distinct if isinstance(convert(text, "float64"), str)}
        present = [text for text in texts if text is not None]
        if sum(text not in odd for text in present) >= _MOSTLY * max(1, len(present)):
            return _numbers(texts, distinct, tuple(odd))
    if distinct and numbers and {text.strip().lower() for text in distinct} <= set(_FLAGS):
        return _flags(texts)
    if distinct and all(not isinstance(moment(text), str) for text in distinct[:_SOME]):
        return "time", texts, ()
    return "string", texts, ()


def _numbers(texts: NDArray[Any], distinct: Sequence[str], odd: tuple[str, ...]) -> Found:
    left = set(odd)
    whole = {text: convert(text, "int64") for text in distinct if text not in left}
    numbers = {
        text: float("nan") if value is None else float(value) for text, value in whole.items()
    }
    values = np.array([numbers.get(text, np.nan) for text in texts], np.float64)
    # 3.0 is how pandas writes whole numbers beside nulls; without nulls somebody meant a float.
    if odd or not all(isinstance(value, int) for value in whole.values()) or None in set(texts):
        return "float64", values, odd
    return "int64", np.array([whole[text] for text in texts], np.int64), ()


def _flags(texts: NDArray[Any]) -> Found:
    if any(text is None for text in texts):
        return "string", texts, ()  # a bool has no null
    return "bool", np.array([_FLAGS[text.strip().lower()] for text in texts], np.bool_), ()
