"""Labels that hold now: those that are open in warehouse.labels, and those in feature rows."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("labels")
Place = tuple[str, int]
"""(request_id, row)."""
Value = tuple[float | None, str | None]
"""Number and text of a label; both are None where there is none."""
NONE: Value = (None, None)


def opened(warehouse: Connection, pipeline: str, ids: Sequence[str]) -> dict[Place, Value]:
    """What holds now of these requests by warehouse.labels; NONE where it says so itself."""
    return _values(warehouse, "open", pipeline, ids)


def beside(warehouse: Connection, pipeline: str, ids: Sequence[str]) -> dict[Place, Value]:
    """Feature rows of these requests under any digest, with the labels that lie in them.

    Where none is open in warehouse.labels, all digests have the same one.
    """
    return _values(warehouse, "beside", pipeline, ids)


def _values(
    warehouse: Connection, query: str, pipeline: str, ids: Sequence[str]
) -> dict[Place, Value]:
    if not ids:
        return {}
    values = {"pipeline": pipeline, "ids": sorted(set(ids))}
    found = warehouse.execute(SQL[query], values).fetchall()
    return {(request_id, row): (number, text) for request_id, row, number, text in found}
