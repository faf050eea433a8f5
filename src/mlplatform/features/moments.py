"""Times of a whole column at once, where NumPy reads them as `moment` does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.features.moment import FIRST, LAST

_PLAIN = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?Z?)?\n)+"
)
"""Lines of the ISO 8601 texts that NumPy reads as we do, but for the Z."""


def moments(values: Sequence[Any]) -> NDArray[np.datetime64] | None:
    """The times of a whole column, datetime64[us] in UTC, as `moment` has them.

    None when its values must be read one by one: they are of several kinds, or some are no times.
    """
    kinds = set(map(type, values))
    if kinds == {str}:
        lines = "\n".join(values) + "\n"
        if _PLAIN.fullmatch(lines) is None or lines.count("\n") != len(values):
            return None
        try:
            found = np.array(lines.replace("Z", "").split("\n")[:-1], dtype="datetime64[us]")
        except ValueError:
            return None
    elif kinds == {int}:
        first, last = int(FIRST.timestamp()), int(LAST.timestamp())
        if min(values) < first or max(values) >= last or _may_be_dates(values):
            return None
        found = np.array(values, dtype="datetime64[s]").astype("datetime64[us]")
    else:
        return None
    inside = (found >= np.datetime64(FIRST.date())) & (found < np.datetime64(LAST.date()))
    return found if bool(inside.all()) else None


def _may_be_dates(values: Sequence[int]) -> bool:
    """Whether some have eight digits, as YYYYMMDD has."""
    numbers = np.array(values, dtype=np.int64)
    return bool(((numbers >= 10**7) & (numbers < 10**8)).any())
