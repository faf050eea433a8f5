"""Labels of imported rows, as many at once as a batch of etl has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mlplatform.database import binary_rows, held_labels
from mlplatform.database.feature_sets import LabelRules
from mlplatform.database.held_labels import NONE, Value
from mlplatform.database.labels import Label
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

    def without_values(self) -> ImportedLabels:
        """The same rows, no label."""
        count = len(self.ids)
        return ImportedLabels(
            self.ids, self.rows, np.full(count, np.nan), np.full(count, None, np.object_)
        )


@dataclass(frozen=True)
class SettledLabels:
    """What to do with labels: `beside` go into the feature rows that are being made, one item each.

    `changed` must hold from the mark of these rows on, against what other digests' rows have.
    """

    beside: ImportedLabels
    changed: list[Label] = field(default_factory=list)


def settle(
    warehouse: Connection, pipeline: str, given: ImportedLabels, rules: LabelRules
) -> SettledLabels:
    """Say where labels of imported rows go; ask it under their mark, before the rows are added.

    A row that another digest has already, or this one from an earlier read, keeps the label that
    holds; another one corrects it for all of them. Labels of an earlier target count for nothing.
    """
    opened = held_labels.opened(warehouse, pipeline, given.ids)
    known = held_labels.beside(warehouse, pipeline, given.ids) | opened
    mine = given if rules.reads_target else given.without_values()
    if not known:
        return SettledLabels(mine)
    numbers, texts = mine.numbers.copy(), mine.texts.copy()
    changed: list[Label] = []
    for index, label in enumerate(zip(given.ids, given.rows, *given.values(), strict=True)):
        place, value = label[:2], label[2:]
        if place in known:
            holds = known[place]
            if differs := rules.reads_target and holds != value:
                changed.append(Label(pipeline, *label))
            # While one is open in warehouse.labels (or will be), nobody sees what lies here.
            numbers[index], texts[index] = _beside(NONE if differs or place in opened else holds)
    return SettledLabels(ImportedLabels(given.ids, given.rows, numbers, texts), changed)


def copy(warehouse: Connection, pipeline: str, given: ImportedLabels, mark: int) -> None:
    """Add labels of rows that have none to warehouse.labels; those without a value are left out."""
    there = ~np.isnan(given.numbers) | [text is not None for text in given.texts.tolist()]
    given = given.some(np.flatnonzero(there).tolist())
    count = len(given.ids)
    if not count:
        return
    columns = {
        "pipeline": np.full(count, pipeline, dtype=np.object_),
        "request_id": binary_rows.uuids(given.ids),
        "row": np.array(given.rows, dtype=np.int32),
        "number": given.numbers,
        "text": given.texts,
        "source": np.full(count, "import", dtype=np.object_),
        "valid_from": np.full(count, mark, dtype=np.int64),
    }
    binary_rows.copy(warehouse, sql.Identifier("warehouse", "labels"), columns)


def _beside(value: Value) -> tuple[float, str | None]:
    number, text = value
    return np.nan if number is None else number, text
