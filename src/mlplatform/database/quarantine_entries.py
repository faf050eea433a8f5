"""Entries of the quarantine as people see them, and what they decide about them.

Only rows that etl refused can be tried again: lines of an import and labels never became rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row, dict_row

from mlplatform.contracts.quarantine import (
    QuarantineCount,
    Quarantined,
    QuarantineFilter,
    StateFilter,
)
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

PARTS = queries.load("quarantine_entries")
_KIND = {"kind": PARTS["kind"]}
_INSIDE = {
    **_KIND,
    "matching": PARTS["matching"].format(**_KIND),
    "columns": PARTS["columns"].format(**_KIND),
}
SQL = {
    name: statement.format(**_INSIDE)
    for name, statement in PARTS.items()
    if name not in {"kind", "matching", "columns"}
}
MOST_COUNTS = 200
"""Reasons that are counted apart, the most frequent ones."""
ANYTHING = "…"


@dataclass(frozen=True)
class Selection:
    """Entries of some pipelines (None: of all); with `ids` only those that the filter means."""

    pipelines: Sequence[str] | None
    filter: QuarantineFilter
    state: StateFilter = "open"
    ids: Sequence[int] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What the statements take."""
        given = {name: getattr(self.filter, name) for name in QuarantineFilter.model_fields}
        return given | {
            "pipelines": self.pipelines,
            "state": self.state,
            "ids": None if self.ids is None else list(self.ids),
            "reason": None if self.filter.reason is None else like(self.filter.reason),
        }


def page(
    connection: Connection, selection: Selection, *, before: int | None, limit: int
) -> list[Quarantined]:
    """Entries, newest first, of those with ids below `before`."""
    values = {**selection.values, "before": before, "limit": limit}
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(SQL["page"], values).fetchall()


def find(connection: Connection, number: int) -> Quarantined | None:
    """One entry."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(SQL["find"], {"id": number}).fetchone()


def counts(connection: Connection, selection: Selection) -> list[QuarantineCount]:
    """Entries by reason, the most frequent first."""
    with connection.cursor(row_factory=class_row(QuarantineCount)) as cursor:
        values = {**selection.values, "limit": MOST_COUNTS}
        return cursor.execute(SQL["counts"], values).fetchall()


def count(connection: Connection, selection: Selection, *, rows_only: bool) -> int:
    """How many entries are selected; `rows_only`: of those that can be tried again."""
    row = connection.execute(SQL["count"], {**selection.values, "rows_only": rows_only}).fetchone()
    assert row is not None
    return int(row[0])


def redrive(connection: Connection, selection: Selection, *, after: int, most: int) -> list[int]:
    """Have some tried again: the first ones above the id `after`. Returns which, sorted."""
    return _changed(connection, "redrive", {**selection.values, "after": after, "most": most})


def drop(
    connection: Connection, selection: Selection, *, after: int, most: int, by: str, why: str
) -> list[int]:
    """Give some up: the first ones above the id `after`. Returns which, sorted."""
    values = {**selection.values, "after": after, "most": most, "by": by, "why": why}
    return _changed(connection, "drop", values)


def why_not(
    connection: Connection, pipelines: Sequence[str] | None, ids: Sequence[int]
) -> dict[int, str]:
    """Why named entries were left as they are."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = {
            row["id"]: row for row in cursor.execute(SQL["why_not"], {"ids": list(ids)}).fetchall()
        }
    return {number: _reason(found.get(number), pipelines) for number in ids}


def _changed(connection: Connection, query: str, values: Mapping[str, Any]) -> list[int]:
    return sorted(int(row[0]) for row in connection.execute(SQL[query], values).fetchall())


def like(text: str) -> str:
    """A pattern for whatever holds the text."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped.replace(ANYTHING, '%')}%"


def _reason(row: Mapping[str, Any] | None, pipelines: Sequence[str] | None) -> str:
    if row is None or (pipelines is not None and row["pipeline"] not in pipelines):
        of = f" of '{pipelines[0]}'" if pipelines is not None and len(pipelines) == 1 else ""
        return f"no such entry{of}"
    if row["resolved_at"] is not None:
        return "it is resolved already"
    if row["dropped_at"] is not None:
        when = f"{row['dropped_at']:%Y-%m-%d %H:%M}"
        return f"it was dropped by '{row['dropped_by']}' on {when}: {row['dropped_why']}"
    if row["digest"] is None:
        return "it never became a row: correct it and send it again"
    return "the filter does not match it"
