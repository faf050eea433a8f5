"""Records that were read, as raw requests of many rows each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from mlplatform.dataapi.rows.record import Record
from mlplatform.database.imports import ImportedRequest

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
        for first in range(0, len(alike), ROWS):
            yield from _bounded(alike[first : first + ROWS])


def _bounded(alike: Sequence[Record]) -> Iterator[ImportedRequest]:
    columns = {name: [each.values[name] for each in alike] for name in alike[0].values}
    document = msgspec.json.encode(columns)
    if len(document) <= BYTES or len(alike) == 1:
        yield ImportedRequest(len(alike), document.decode())
        return
    middle = len(alike) // 2
    yield from _bounded(alike[:middle])
    yield from _bounded(alike[middle:])
