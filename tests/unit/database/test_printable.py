"""What PostgreSQL can store of texts from outside."""

from __future__ import annotations

from typing import Any

import msgspec

from mlplatform.database.printable import DEEPEST, printable, printable_value


def test_what_can_not_be_stored_is_shown() -> None:
    """NUL and halves of surrogate pairs become escapes, in keys too.

    Everything else stays as it is.
    """
    value = {"a\0": ["x\ud800", 1, None, True, 10**400], "ä": "日本"}

    assert {"a\\u0000": ["x\\ud800", 1, None, True, 10**400], "ä": "日本"} == printable_value(value)
    assert "a\\u0000b" == printable("a\0b")


def test_a_document_is_cut_where_it_is_too_deep() -> None:
    """Whatever a decoder lets through can be made printable and written."""
    value: Any = "bottom"
    for _ in range(900):
        value = [value]
    shallow = msgspec.json.decode("[" * DEEPEST + "]" * DEEPEST)

    assert b"[" * DEEPEST + '"[…]"'.encode() + b"]" * DEEPEST == msgspec.json.encode(
        printable_value(value)
    )
    assert shallow == printable_value(shallow)
