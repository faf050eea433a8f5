"""Keys that stand twice in a JSON object.

Decoders keep the last one silently, so that what the first one said would be lost.
"""

from __future__ import annotations

import json
from typing import Any


class _RepeatedKey(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def repeated_key(line: bytes, fields: int) -> str | None:
    """A key that is there twice in a flat object of JSON that was decoded to so many fields.

    Each key has one colon, so most lines are done with once these are counted: reading a line again
    costs five times what decoding it does. Only texts with colons, such as times, need that.
    """
    if line.count(b":") == fields:
        return None
    try:
        json.loads(line, object_pairs_hook=_distinct, parse_int=str, parse_float=str)
    except _RepeatedKey as error:
        return error.key
    return None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKey(next(name for name in names if names.count(name) > 1))
    return found
