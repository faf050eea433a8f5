"""Hashes that are stored in place of values.

A hash is HMAC-SHA-256 with the platform's key over the pipeline's name and the value as a text, cut
to 128 bits. Equal values of one pipeline have one hash, in every column and every process, so a
hashed column can still be compared, counted and used as a category; other pipelines have other
hashes, so their rows can't be joined by them.
"""

from __future__ import annotations

import hmac
from typing import Any

from mlplatform.features.key import key_text

MARK = "hash:"
"""How a stored hash begins, so that etl can tell it from a value that was stored before."""
_BYTES = 16
_LENGTH = len(MARK) + 2 * _BYTES


def hash_of(value: Any, pipeline: str, key: bytes) -> Any:
    """The hash of a value; null and the empty text, which say nothing, stay as they are.

    What is one key (777, 777.0, "777") has one hash.
    """
    if value is None or value == "" or value != value:  # noqa: PLR0124  (NaN)
        return value
    text, fault = key_text(value)
    data = str(value) if fault else str(text)
    message = f"{pipeline}\0{data}".encode(errors="surrogatepass")
    return MARK + hmac.digest(key, message, "sha256")[:_BYTES].hex()


def is_hash(value: Any) -> bool:
    """Whether a stored value is a hash, or says nothing."""
    if value is None or value == "":
        return True
    return isinstance(value, str) and len(value) == _LENGTH and value.startswith(MARK)
