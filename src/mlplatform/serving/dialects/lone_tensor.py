"""A JSON body of one tensor, apart: its data, and all the rest.

The data is nearly all of such a body. Cut out, it is read once, and nothing else has to look
through it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

_KEY = b'"data"'
_COLON = (b":", b": ")
EMPTY = msgspec.Raw(b"[]")
"""What stands in the place of the data."""


class LoneTensor(NamedTuple):
    """The body with `EMPTY` as the data, and the data. Together they are JSON if each of them is.

    That holds since a string can't contain the key as it is written here.
    """

    head: bytes
    data: bytes


def cut_out(body: bytes) -> LoneTensor | None:
    """The parts of a body; None where it has several tensors, or is written in an unusual way."""
    key = body.find(_KEY)
    start = body.find(b"[", key)
    if key < 0 or start < 0 or body[key + len(_KEY) : start] not in _COLON:
        return None
    nested = body[start + 1 : start + 2] == b"["
    end = body.find(b"]]" if nested else b"]", start) + 1 + nested
    if end <= 1 or body.find(_KEY, end) >= 0:
        return None
    head = b"".join([body[:start], EMPTY, body[end:]])
    return None if b"\\" in head else LoneTensor(head, body[start:end])
