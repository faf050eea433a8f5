"""Labels: the target's value of a row, from feedback or from an imported row.

A correction closes the old label and adds one, so that a read as of an earlier mark still sees what
held then; the same label again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlplatform.database import marks, queries
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
        hold(warehouse, latest, source="feedback", mark=marks.next_mark(warehouse))


def hold(warehouse: Connection, labels: Sequence[Label], *, source: LabelSource, mark: int) -> None:
    """Make these labels, at most one of a row, hold from the mark on."""
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
