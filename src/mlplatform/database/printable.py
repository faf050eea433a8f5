"""Texts from outside as PostgreSQL can store them.

It takes neither NUL nor lone surrogates, and JSON only down to a depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 50
"""Levels of a document that are kept.

A row or a label has two or three; what is nested on purpose must not exhaust our stack.
"""


def printable(text: str) -> str:
    """`text` with NUL and lone surrogates written as escapes."""
    return text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()


def printable_value(value: Any, *, deepest: int = DEEPEST) -> Any:
    """A JSON document with every text in it made printable, cut below `deepest` levels."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return (
            {
                printable(str(key)): printable_value(item, deepest=deepest - 1)
                for key, item in value.items()
            }
            if deepest
            else "{…}"
        )
    if isinstance(value, list | tuple):
        return [printable_value(item, deepest=deepest - 1) for item in value] if deepest else "[…]"
    return value
