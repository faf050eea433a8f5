"""JSON in which no object has a key twice.

Decoders keep the last value silently, so that what the first one said would be lost, and two of
them may keep different ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mlplatform.errors import InvalidInput

_BLANKS = b" \t\r\n"
_COLON = ord(":")
_SMALL = 2048
"""Above so many bytes NumPy counts several times faster than Python, which stops at each hit."""


class RepeatedKey(NamedTuple):
    """A key that an object has twice, and the way there from the document: keys and positions."""

    place: tuple[str | int, ...]
    key: str

    def __str__(self) -> str:
        return f"the key '{self.key}' is there twice"


def distinct(body: bytes, keys: int) -> bool:
    """Whether the keys of a document are certainly distinct: True costs under a microsecond a kB.

    `keys` is how many are left in its objects after decoding. Each key that was written has a colon
    behind its quotation mark; such colons in texts can only make the count too large.
    """
    if len(body) < _SMALL:
        colons = body.count(b":")
    else:
        colons = int(np.count_nonzero(np.frombuffer(body, np.uint8) == _COLON))
    return colons == keys or body.translate(None, _BLANKS).count(b'":') == keys


def repeated_keys(body: bytes, keys: int) -> list[RepeatedKey]:
    """The keys that objects of a JSON document have twice, in the order in which objects begin.

    Reads it a second time where `distinct` is not certain, which takes several times what a decoder
    takes. Raises InvalidInput for a document that can't be read.
    """
    if distinct(body, keys):
        return []
    try:
        document = json.loads(
            body, object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=str
        )
        return list(_found(document, ()))
    except RecursionError as error:
        raise InvalidInput("the body is nested too deeply", field="body") from error
    except ValueError as error:
        raise InvalidInput(f"the body is not JSON: {error}", field="body") from error


def key_count(document: Any) -> int:
    """How many keys the objects of a decoded document have, however deep they lie."""
    keys, waiting = 0, [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            keys += len(part)
            part = part.values()
        elif not isinstance(part, list):
            continue
        waiting += [value for value in part if isinstance(value, dict | list)]
    return keys


class _Twice(dict[str, Any]):
    """An object with a key that is there twice."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names, twice = [name for name, _ in pairs], _Twice(found)
    twice.key = next(name for name in names if names.count(name) > 1)
    return twice


def _found(document: Any, place: tuple[str | int, ...]) -> Iterator[RepeatedKey]:
    if isinstance(document, _Twice):
        yield RepeatedKey(place, document.key)
    parts: Any = ()
    if isinstance(document, dict):
        parts = document.items()
    elif isinstance(document, list):
        parts = enumerate(document)
    for part, value in parts:
        if isinstance(value, dict | list):
            yield from _found(value, (*place, part))
