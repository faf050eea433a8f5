"""A row's own id: text, or a whole number, which is the text of its digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mlplatform.features.fault import shown
from mlplatform.features.parse import EXACT, storable

_WHOLE = re.compile(r"(?P<digits>-?(?:0|[1-9][0-9]*))\.0+")
"""How a whole number looks that was written as a float, as pandas does beside empty cells."""


def key_text(value: Any) -> tuple[str | None, str]:
    """The key, None where the row has none, and why the value can't be one, or ''.

    777, 777.0 and the texts "777" and "777.0" are one key, since a CSV cell may be meant as any of
    them. Other texts stay as they are ("0777", "7e2").
    """
    if value is None or value == "":
        return None, ""
    if isinstance(value, str) and storable(value):
        match = _WHOLE.fullmatch(value)
        digits = match["digits"] if match else value
        return "0" if digits == "-0" else digits, ""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value), ""
    return None, f"{shown(value)} can't be a key: text or a whole number"


def key_texts(values: Sequence[Any]) -> list[str | None] | None:
    """The keys of a whole column, or None when its values must be read one by one.

    The same keys: none of these texts can be a number that was written as a float, or -0.
    """
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {int}:
        return [None if value is None else str(value) for value in values]
    if kinds != {str}:
        return None
    together = "".join(filter(None, values))
    if not together.isascii() or any(mark in together for mark in (".", "-", "\0")):
        return None
    return [value or None for value in values]
