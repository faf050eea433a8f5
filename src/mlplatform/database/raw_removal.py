"""Removal from the raw database of what are no requests: dead letters, keys of imports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mlplatform.database import queries
from mlplatform.database.removed_amount import Amount
from mlplatform.database.sessions import Connection

SQL = queries.load("removal")


def dead_letters(raw: Connection, before: datetime, *, most: int, remove: bool) -> Amount:
    """Dead letters from before a moment: remove some, or count all."""
    values = {"before": before, "most": most}
    return _one(raw, "remove_dead_letters" if remove else "past_dead_letters", values)


def imports(raw: Connection, pipeline: str, before: datetime, *, most: int, remove: bool) -> Amount:
    """Keys of imports last used before a moment: remove some, or count all."""
    values = {"pipeline": pipeline, "before": before, "most": most}
    return _one(raw, "remove_imports" if remove else "past_imports", values)


def _one(raw: Connection, query: str, values: Mapping[str, object]) -> Amount:
    row = raw.execute(SQL[query], values).fetchone()
    assert row is not None
    return Amount(items=row[0], size=row[1])
