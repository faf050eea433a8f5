"""A few clean rows out of stored requests, as tables for features.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from mlplatform.contracts.columns import Column, Columns
from mlplatform.contracts.pipeline import Redaction
from mlplatform.errors import InvalidInput
from mlplatform.features.hashes import is_hash
from mlplatform.features.parse import to_columns

REQUESTS = 8
"""How many stored requests are looked at, the latest ones."""
ROWS = 16
_OF_ONE = 4
"""Rows of each request where there are several: others may be of another kind."""


def clean_rows(
    requests: Iterable[str],
    columns: Sequence[Column],
    redact: Mapping[str, Redaction] | None = None,
) -> Columns | None:
    """Rows that keep the columns' declarations, `ROWS` at most; None when there is none.

    `requests` are JSON objects, column -> list of values. A row that was stored before one of its
    columns was hashed is none: it must not get into a model's folder, or be tried on.
    """
    hashed = [name for name, how in (redact or {}).items() if how == "hash"]
    found: list[Columns] = []
    texts = list(requests)
    for text in texts:
        for row in _rows(text, most=_OF_ONE if len(texts) > 1 else ROWS):
            typed = _typed(row, columns) if all(is_hash(row.get(one)) for one in hashed) else None
            if typed is not None:
                found.append(typed)
            if len(found) == ROWS:
                return _joined(found)
    return _joined(found) if found else None


def _rows(text: str, *, most: int) -> Iterator[dict[str, Any]]:
    """Some rows of a request, from its whole length."""
    try:
        inputs = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return
    if not isinstance(inputs, Mapping) or not inputs:
        return
    if not all(isinstance(values, list) for values in inputs.values()):
        return
    size = min(map(len, inputs.values()))
    for at in sorted({size * share // most for share in range(most)} if size else ()):
        yield {name: values[at] for name, values in inputs.items()}


def _typed(row: Mapping[str, Any], columns: Sequence[Column]) -> Columns | None:
    """The row as a table; None when etl would put it into quarantine."""
    try:
        typed, faults = to_columns({one.name: [row.get(one.name)] for one in columns}, columns)
    except InvalidInput:
        return None
    if faults:
        return None
    for column in columns:
        value = typed[column.name].tolist()[0]
        null = value is None or value != value  # noqa: PLR0124  (NaN differs from itself)
        if not null and column.against(value):
            return None
    return typed


def _joined(rows: list[Columns]) -> Columns:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
