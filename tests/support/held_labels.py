"""Labels that hold, wherever they lie: in feature rows, or in warehouse.labels."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

_OPEN = """
SELECT pipeline, request_id, row, number, text, source, valid_from FROM warehouse.labels
WHERE valid_to = 9223372036854775807
"""
_BESIDE = """
SELECT {pipeline}::text AS pipeline, request_id, row, __label_number AS number,
    __label_text AS text, 'import' AS source, batch AS valid_from
FROM {table} WHERE __label_number IS NOT NULL OR __label_text IS NOT NULL
"""


def held_labels(owner: Any) -> list[dict[str, Any]]:
    """Every label that holds now, by request id and row, on a connection of the owner."""
    with owner.cursor(row_factory=dict_row) as cursor:
        tables = cursor.execute(
            "SELECT pipeline, table_name FROM control.feature_sets "
            "WHERE warehouse.holds_labels(table_name)"
        ).fetchall()
        held: dict[tuple[Any, ...], dict[str, Any]] = {}
        for table in tables:
            query = sql.SQL(_BESIDE).format(
                pipeline=sql.Literal(table["pipeline"]),
                table=sql.Identifier("features", table["table_name"]),
            )
            for row in cursor.execute(query).fetchall():
                known = held.setdefault(_place(row), row)
                known["valid_from"] = min(known["valid_from"], row["valid_from"])
        held |= {_place(row): row for row in cursor.execute(_OPEN).fetchall()}
    valued = [row for row in held.values() if (row["number"], row["text"]) != (None, None)]
    return sorted(valued, key=_place)


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["pipeline"], row["request_id"], row["row"]
