"""Labels: the target's value of a row, from feedback or from an imported row.

The label of an imported row lies in its feature row, under every digest, and holds from the row's
mark on. What feedback says, and what a later import corrects, goes to warehouse.labels: while a
label there is valid it goes before the one in the feature row. A correction closes the old label
and adds one, so that a read as of an earlier mark still sees what held then; the same label again
changes nothing. A label without a value ends another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlplatform.database import held_labels, marks, queries
from mlplatform.database.held_labels import Place
from mlplatform.database.sessions import Connection

SQL = queries.load("labels")
LONGEST = 2_000
"""Bytes of a text label in UTF-8: it must fit an entry of the index labels_read."""

LabelSource = Literal["import", "feedback"]
CORRECTS: dict[LabelSource, list[LabelSource]] = {
    "import": ["import"],
    "feedback": ["import", "feedback"],
}
"""Whose labels may be corrected: what feedback said stays, whatever is imported later."""


@dataclass(frozen=True, slots=True)
class Label:
    """A checked label: number or text, by the target's dtype.

    Of an imported row both may be None: its field is empty.
    """

    pipeline: str
    request_id: str
    row: int
    number: float | None
    text: str | None


def add_feedback(warehouse: Connection, labels: Sequence[Label]) -> None:
    """Make these labels hold.

    Of several for one row the last one counts. Takes the mark: commit soon after.
    """
    latest = list({(label.request_id, label.row): label for label in labels}.values())
    if latest:
        mark = marks.next_mark(warehouse)
        hold(warehouse, _news(warehouse, latest), source="feedback", mark=mark)


def hold(warehouse: Connection, labels: Sequence[Label], *, source: LabelSource, mark: int) -> None:
    """Make these labels, at most one of a row, hold from the mark on."""
    if not labels:
        return
    values = {
        "mark": mark,
        "source": source,
        "corrects": CORRECTS[source],
        "pipelines": [label.pipeline for label in labels],
        "ids": [label.request_id for label in labels],
        "rows": [label.row for label in labels],
        "numbers": [label.number for label in labels],
        "texts": [label.text for label in labels],
    }
    warehouse.execute(SQL["close"], values)
    warehouse.execute(SQL["add"], values)


def _news(warehouse: Connection, labels: Sequence[Label]) -> list[Label]:
    """Without those that say what a feature row says, where nothing else holds."""
    unchanged: set[tuple[str, Place]] = set()
    for pipeline in {label.pipeline for label in labels}:
        ids = [label.request_id for label in labels if label.pipeline == pipeline]
        held = held_labels.beside(warehouse, pipeline, ids)
        for place in held_labels.opened(warehouse, pipeline, ids) if held else ():
            held.pop(place, None)
        unchanged |= {
            (pipeline, (label.request_id, label.row))
            for label in labels
            if label.pipeline == pipeline
            and held.get((label.request_id, label.row)) == (label.number, label.text)
        }
    return [
        label
        for label in labels
        if (label.pipeline, (label.request_id, label.row)) not in unchanged
    ]
