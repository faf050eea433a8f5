"""Arrays that are copied come back as the same values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from psycopg import sql

from mlplatform.database import binary_rows

IDS = ["01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11", "01985d2e-7c4a-7b11-9c62-0d6f5a0c1e12"]
TEXTS = ["", None, "Köln", "a\tb\n\\N", "\U0001f600", "x" * 300]
NUMBERS = [1.5, float("nan"), -0.0, 1e308, 5e-324, float("inf")]


@pytest.mark.parametrize("most", [1, 900, 8 << 20])
def test_all_types_and_nulls(databases: Any, monkeypatch: Any, most: int) -> None:
    """Whatever the records' width, and however many parts they are sent in."""
    monkeypatch.setattr(binary_rows, "_MOST_BYTES", most)
    columns = {
        "id": binary_rows.uuids([IDS[0]] * 4 + [IDS[1]] * 2),
        "small": np.arange(6, dtype=np.int32),
        "large": np.array([0, -1, 2**63 - 1, -(2**63), 5, 6]),
        "number": np.array(NUMBERS),
        "flag": np.array([True, False] * 3),
        "at": np.array(["1900-01-01", "2199-12-31T23:59:59.999999"] * 3, dtype="datetime64[us]"),
        "text": np.array(TEXTS, dtype=np.object_),
        "nothing": np.array([None] * 6, dtype=np.object_),
    }
    with databases.connect("owner", "warehouse") as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE kept (id uuid, small integer, large bigint, "
            "number double precision, flag boolean, at timestamptz, text text, nothing text)"
        )
        count = binary_rows.copy(connection, sql.Identifier("kept"), columns)
        found = connection.execute(
            "SELECT id::text, small, large, number::text, flag, at, text, nothing FROM kept "
            "ORDER BY small"
        ).fetchall()
    moments = [
        datetime(1900, 1, 1, tzinfo=UTC),
        datetime(2199, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]

    assert 6 == count
    assert [
        (IDS[row // 4], row, columns["large"][row], row % 2 == 0, moments[row % 2], TEXTS[row])
        for row in range(6)
    ] == [(*each[:3], *each[4:7]) for each in found]
    assert ["1.5", None, "-0", "1e+308", "5e-324", "Infinity"] == [each[3] for each in found]
    assert [None] * 6 == [each[7] for each in found]


def test_no_rows_are_no_rows(databases: Any) -> None:
    """An empty batch is a COPY of nothing."""
    with databases.connect("owner", "warehouse") as connection:
        connection.execute("CREATE TEMPORARY TABLE kept (number double precision)")

        assert 0 == binary_rows.copy(
            connection, sql.Identifier("kept"), {"number": np.empty(0, np.float64)}
        )
