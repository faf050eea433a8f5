"""Records that were read, as raw requests of many rows each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from mlplatform.contracts.imports import ImportedRequest
from mlplatform.dataapi.rows.record import Record

ROWS = 1_000
"""Rows of a request. A request has a cost of its own in the raw database (three index entries), and
what is made for one of its rows (a second try, a prediction that is looked up) reads all of it."""
BYTES = 1_000_000
"""Of its JSON, unless a single row is longer."""


def requests(records: Sequence[Record]) -> Iterator[ImportedRequest]:
    """The records in their order; those of a request have the same fields.

    So a field that a record lacks is not there, and none that is empty stands for it.
    """
    for _, same in groupby(records, key=lambda record: record.values.keys()):
        alike = list(same)
        yield from of_columns(
            {name: [each.values[name] for each in alike] for name in alike[0].values}
        )


def of_columns(columns: Mapping[str, Sequence[Any]]) -> Iterator[ImportedRequest]:
    """The rows of columns of one length, at least one, in their order."""
    rows = len(next(iter(columns.values())))
    for first in range(0, rows, ROWS):
        some = {name: values[first : first + ROWS] for name, values in columns.items()}
        yield from _bounded(some, min(ROWS, rows - first))


def _bounded(columns: Mapping[str, Sequence[Any]], rows: int) -> Iterator[ImportedRequest]:
    document = msgspec.json.encode(columns)
    if len(document) <= BYTES or rows == 1:
        yield ImportedRequest(rows, document.decode())
        return
    middle = rows // 2
    yield from _bounded({name: values[:middle] for name, values in columns.items()}, middle)
    yield from _bounded({name: values[middle:] for name, values in columns.items()}, rows - middle)
