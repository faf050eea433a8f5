"""Many lines of CSV at once as columns, where all of them are plain rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any

from mlplatform.features.cell_columns import convert_all
from mlplatform.features.cells import CellType

Header = Mapping[str, CellType]
"""The columns of a body in its order, and what stands in each."""


def plain_columns(lines: Sequence[str], header: Header) -> dict[str, list[Any]] | None:
    """The rows of these lines by column; {} when they are blank.

    None when they are not all rows that can be read, or the last one goes on behind them: then they
    must be read one by one, to name what is wrong.
    """
    text = "".join(lines)
    if "\0" in text or not is_utf8(text):
        return None
    cells = _split(lines, text, len(header)) or _read(lines, len(header))
    if cells is None:
        return None
    return {
        name: convert_all(texts, kind)
        for (name, kind), texts in zip(header.items(), cells, strict=False)  # none of blank lines
    }


def _split(lines: Sequence[str], text: str, width: int) -> list[list[str]] | None:
    """The fields by column where commas alone part them; None where more is to be read."""
    if '"' in text or max(map(len, lines)) > csv.field_size_limit() or "" in map(str.rstrip, lines):
        return None
    if {line.count(",") for line in lines} != {width - 1}:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    fields = text.removesuffix("\n").replace("\n", ",").split(",")
    return [fields[place::width] for place in range(width)]


def _read(lines: Sequence[str], width: int) -> list[Sequence[str]] | None:
    """The fields by column; None when a row can't be read or has another width."""
    try:
        rows = [row for row in csv.reader(lines, strict=True) if row]
    except csv.Error:
        return None
    if not set(map(len, rows)) <= {width}:
        return None
    return list(zip(*rows, strict=True))


def is_utf8(text: str) -> bool:
    """Whether no byte of it was none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
