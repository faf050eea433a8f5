"""Errors of one request, with its rows counted as in the whole table."""

from __future__ import annotations

import re

from mlplatform.errors import PlatformError

_PLACE = re.compile(r"^(?:inputs\.)?(?P<column>.+)\[(?P<row>\d+)\]$")
_ROW = re.compile(r"^row (\d+)\b")


def in_table(error: PlatformError, first: int) -> PlatformError:
    """The same error; of a request whose first row is row `first` of the table."""
    place, row = _PLACE.match(error.field), _ROW.match(error.message)
    field, message = error.field.removeprefix("inputs."), error.message
    if place:
        field = f"{place['column']}[{first + int(place['row'])}]"
    if row:
        message = f"row {first + int(row[1])}{message[row.end() :]}"
    moved = type(error).__new__(type(error))
    moved.__dict__.update(error.__dict__)
    moved.message, moved.field = message, field
    moved.args = (message,)
    return moved
