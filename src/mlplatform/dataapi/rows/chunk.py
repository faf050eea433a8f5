"""Records that follow each other in a body: what one transaction of an import stores.

Where every record of a chunk is a row with the same fields, it is kept as columns, which costs a
tenth of what records one by one cost. Both kinds give the same requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from mlplatform.contracts.imports import ImportedRequest
from mlplatform.dataapi.rows.record import Record
from mlplatform.dataapi.rows.requests import of_columns, requests

CHUNK = 10_000
"""Records per transaction.

Others that import into the same pipeline wait for one chunk, which is far below a second.
"""


class Chunk(Protocol):
    """The records of a body from one place to another."""

    @property
    def last(self) -> int:
        """The place of its last record; the body's first one is at 1."""
        ...

    def after(self, done: int) -> Chunk:
        """Its records behind that place."""
        ...

    def refused(self) -> Sequence[Record]:
        """The records that can't be read."""
        ...

    def accepted(self) -> int:
        """How many can."""
        ...

    def requests(self) -> list[ImportedRequest]:
        """The raw requests of those that can be read."""
        ...


@dataclass(frozen=True)
class Records:
    """Records one by one; at least one."""

    records: Sequence[Record]

    @property
    def last(self) -> int:
        """See Chunk."""
        return self.records[-1].number

    def after(self, done: int) -> Records:
        """See Chunk."""
        return Records([record for record in self.records if record.number > done])

    def refused(self) -> Sequence[Record]:
        """See Chunk."""
        return [record for record in self.records if record.reason]

    def accepted(self) -> int:
        """See Chunk."""
        return sum(not record.reason for record in self.records)

    def requests(self) -> list[ImportedRequest]:
        """See Chunk."""
        return list(requests([record for record in self.records if not record.reason]))


@dataclass(frozen=True)
class Rows:
    """Readable records with the same fields: name -> values, in the order of the body."""

    first: int
    columns: Mapping[str, Sequence[Any]]

    @property
    def last(self) -> int:
        """See Chunk."""
        return self.first + self.accepted() - 1

    def after(self, done: int) -> Rows:
        """See Chunk."""
        skip = max(0, done + 1 - self.first)
        if not skip:
            return self
        return Rows(
            self.first + skip, {name: values[skip:] for name, values in self.columns.items()}
        )

    def refused(self) -> Sequence[Record]:
        """See Chunk."""
        return ()

    def accepted(self) -> int:
        """See Chunk."""
        return len(next(iter(self.columns.values())))

    def requests(self) -> list[ImportedRequest]:
        """See Chunk."""
        return list(of_columns(self.columns))


def one_by_one(records: Iterator[Record]) -> Iterator[Records]:
    """The records of a body in chunks."""
    while chunk := list(islice(records, CHUNK)):
        yield Records(chunk)
