"""Rows of stored requests on which features.py is tried."""

from __future__ import annotations

import json
from typing import Any

from mlplatform.contracts.columns import Column
from mlplatform.features.history import ROWS, clean_rows

COLUMNS = [
    Column(name="on", dtype="string", pattern=r"\d{4}"),
    Column(name="sum", dtype="float64", nullable=True, min=0),
]


def _rows(*requests: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = clean_rows(map(json.dumps, requests), COLUMNS)
    values = [] if found is None else [found[one.name].tolist() for one in COLUMNS]
    return list(zip(*values, strict=True))


def test_rows_that_etl_would_put_aside_are_left_out() -> None:
    """Another type, a value below its range, a text beside its pattern, a missing column."""
    assert [("2025", 1.0)] == _rows(
        {"on": ["2025"], "sum": [1.0], "price": [3]},
        {"on": ["soon"], "sum": [1.0]},
        {"on": ["2025"], "sum": [-1.0]},
        {"on": [7], "sum": [1.0]},
        {"sum": [1.0]},
    )


def test_a_null_passes_where_it_may_be_one() -> None:
    """A column that is younger than a request is null there."""
    found = clean_rows(['{"on": ["2025"]}'], COLUMNS)

    assert found is not None
    assert ["2025"] == found["on"].tolist()
    assert [True] == [value != value for value in found["sum"].tolist()]  # noqa: PLR0124


def test_a_few_rows_of_each_request_are_enough() -> None:
    """A large import is not read out, and does not crowd out the others."""
    large = {"on": [f"{at:04d}" for at in range(9000)], "sum": [1.0] * 9000}
    found = _rows(large, {"on": ["9999"], "sum": [2.0]}, *([large] * 9))

    assert ROWS == len(found)
    assert ("9999", 2.0) in found


def test_what_is_no_table_is_passed_over() -> None:
    """A damaged request is etl's business."""
    assert clean_rows(["[1]", "{", '{"on": 3}', "{}", '{"on": []}'], COLUMNS) is None
