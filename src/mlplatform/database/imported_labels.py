"""Labels of imported rows, as many at once as a batch of etl has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mlplatform.database import binary_rows
from mlplatform.database.labels import SQL, Label, hold
from mlplatform.database.sessions import Connection


@dataclass(frozen=True)
class ImportedLabels:
    """Checked labels of imported rows, one item each.

    Of number (NaN for none) and text one is set, by the target's dtype; none where the field is
    empty.
    """

    ids: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    texts: NDArray[np.object_] = field(default_factory=lambda: np.empty(0, np.object_))

    def values(self) -> tuple[list[float | None], list[str | None]]:
        """Numbers and texts, None for none."""
        numbers = self.numbers.astype(np.object_)
        numbers[np.isnan(self.numbers)] = None
        return numbers.tolist(), self.texts.tolist()

    def some(self, places: Sequence[int]) -> ImportedLabels:
        """Those at these places."""
        if len(places) == len(self.ids):
            return self
        return ImportedLabels(
            [self.ids[place] for place in places],
            [self.rows[place] for place in places],
            self.numbers[list(places)],
            self.texts[list(places)],
        )


def add(warehouse: Connection, pipeline: str, labels: ImportedLabels, *, mark: int) -> None:
    """Make the labels of imported rows hold, under the mark of their feature rows.

    Several digests read the same field; a label that is open already stays as it is.
    """
    opened = _open(warehouse, pipeline, labels.ids)
    changed: list[Label] = []
    new = ~np.isnan(labels.numbers) | [text is not None for text in labels.texts.tolist()]
    if opened:
        for place, item in enumerate(zip(labels.ids, labels.rows, *labels.values(), strict=True)):
            request_id, row, number, text = item
            found = opened.get((request_id, row))
            if found is not None:
                new[place] = False
                if found != (number, text):
                    changed.append(Label(pipeline, request_id, row, number, text))
    if new.any():
        _copy(warehouse, pipeline, labels.some(np.flatnonzero(new).tolist()), mark)
    if changed:
        hold(warehouse, changed, source="import", mark=mark)


def _open(
    warehouse: Connection, pipeline: str, ids: Sequence[str]
) -> dict[tuple[str, int], tuple[float | None, str | None]]:
    """(request_id, row) -> number and text of the labels of these requests that hold now."""
    values = {"pipeline": pipeline, "ids": sorted(set(ids))}
    found = warehouse.execute(SQL["open"], values).fetchall()
    return {(request_id, row): (number, text) for request_id, row, number, text in found}


def _copy(warehouse: Connection, pipeline: str, labels: ImportedLabels, mark: int) -> None:
    """Add labels of rows that have none."""
    count = len(labels.ids)
    columns = {
        "pipeline": np.full(count, pipeline, dtype=np.object_),
        "request_id": binary_rows.uuids(labels.ids),
        "row": np.array(labels.rows, dtype=np.int32),
        "number": labels.numbers,
        "text": labels.texts,
        "source": np.full(count, "import", dtype=np.object_),
        "valid_from": np.full(count, mark, dtype=np.int64),
    }
    binary_rows.copy(warehouse, sql.Identifier("warehouse", "labels"), columns)
