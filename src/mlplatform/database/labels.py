"""Labels from feedback.

A correction closes the old row and adds one; the same label again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("labels")
LONGEST = 2_000
"""Bytes of a text label in UTF-8: it must fit an entry of the index labels_read."""


@dataclass(frozen=True)
class Label:
    """A checked label. Exactly one of number and text is set, by the target's dtype."""

    pipeline: str
    request_id: str
    row: int
    number: float | None
    text: str | None


@dataclass(frozen=True)
class Owner:
    """Whose request it is, and how many rows it has."""

    pipeline: str
    rows: int


def owners(raw: Connection, ids: Sequence[str]) -> Mapping[str, Owner]:
    """Pipeline and rows of those of these requests that are stored already."""
    rows = raw.execute(SQL["owners"], {"ids": list(ids)}).fetchall()
    return {str(request_id): Owner(pipeline, count) for request_id, pipeline, count in rows}


def add(warehouse: Connection, labels: Sequence[Label]) -> None:
    """Make these labels hold.

    Of several for one row the last one counts. Takes a mark: commit soon after.
    """
    latest = {(label.request_id, label.row): label for label in labels}.values()
    if not latest:
        return
    row = warehouse.execute(SQL["mark"]).fetchone()
    assert row is not None
    values = {
        "mark": row[0],
        "pipelines": [label.pipeline for label in latest],
        "ids": [label.request_id for label in latest],
        "rows": [label.row for label in latest],
        "numbers": [label.number for label in latest],
        "texts": [label.text for label in latest],
    }
    warehouse.execute(SQL["close"], values)
    warehouse.execute(SQL["add"], values)
