"""Which rows have a key: by the request, by its correction, by what etl made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlplatform.dataapi.key_search import KeySearch
from mlplatform.database import forget, retention
from mlplatform.database.forget import Row
from mlplatform.database.pools import PrimaryPool


@dataclass
class ForgottenRows:
    """Rows to forget, and rows that were forgotten before, by request.

    `sizes` has the number of rows of each request that is stored.
    """

    wanted: dict[str, set[int]] = field(default_factory=dict)
    before: dict[str, set[int]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def stored(self, request_id: str, rows: int, forgotten: Sequence[int]) -> None:
        """A request that is there."""
        self.sizes[request_id] = rows
        if forgotten:
            self.before[request_id] = set(forgotten)

    def add(self, rows: Iterable[Row]) -> None:
        """More rows to forget."""
        for request_id, row in rows:
            self.wanted.setdefault(request_id, set()).add(row)

    @property
    def requests(self) -> int:
        """How many stored requests hold rows that were not forgotten before."""
        return sum(bool(rows) for rows in self._fresh())

    @property
    def fresh(self) -> int:
        """How many rows of stored requests were not forgotten before."""
        return sum(map(len, self._fresh()))

    @property
    def whole(self) -> set[str]:
        """Stored requests of which no row is left."""
        return {
            request_id
            for request_id, size in self.sizes.items()
            if len(self._all(request_id)) >= size
        }

    def rows(self) -> list[Row]:
        """All of them, sorted: those of before too, since a run may have been cut short."""
        names = sorted(self.wanted.keys() | self.before.keys())
        return [(name, row) for name in names for row in sorted(self._all(name))]

    def _all(self, request_id: str) -> set[int]:
        return self.wanted.get(request_id, set()) | self.before.get(request_id, set())

    def _fresh(self) -> list[set[int]]:
        return [
            {row for row in rows if row < self.sizes[name]} - self.before.get(name, set())
            for name, rows in self.wanted.items()
            if name in self.sizes
        ]


def find_rows(
    raws: Mapping[str, PrimaryPool], warehouse: PrimaryPool, pipeline: str, search: KeySearch
) -> ForgottenRows:
    """All rows of a pipeline that have the key, wherever it shows.

    The warehouse also tells of requests that retention has removed, and of keys that a person has
    corrected.
    """
    found = ForgottenRows()
    for pool in raws.values():
        with pool.transaction() as raw:
            retention.allow_long(raw)
            for each in forget.stored(raw, pipeline, search.needles):
                rows = search.rows(each.inputs, each.rows)
                if rows or each.forgotten:
                    found.stored(each.request_id, each.rows, each.forgotten)
                    found.add((each.request_id, row) for row in rows)
    with warehouse.transaction() as connection:
        retention.allow_long(connection)
        for key in search.keys:
            found.add(forget.featured(connection, pipeline, key))
        found.add(forget.corrected(connection, pipeline, search.has))
        found.add(
            (entry.request_id, entry.row)
            for entry in forget.quarantined(connection, pipeline, search.needles)
            if entry.request_id is not None and entry.row is not None and search.has(entry.payload)
        )
    for pool in raws.values():
        with pool.transaction() as raw:
            for each_stored in forget.of_requests(raw, sorted(found.wanted)):
                found.stored(*each_stored)
    return found
