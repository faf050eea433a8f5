"""Requests as a flat table of rows, with the corrections of some."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database.raw_requests import RawRequest
from mlplatform.etl.unpack import unpack

DEFINITION = PipelineDefinition.parse(
    {
        "name": "loans",
        "description": "Whether a loan will be paid back.",
        "task": "classification",
        "columns": [
            {"name": "income", "dtype": "float64"},
            {"name": "city", "dtype": "string", "nullable": True},
        ],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.5}],
    }
)


def request(inputs: Any, rows: int, **corrections: dict[str, Any]) -> RawRequest:
    """A request whose rows `_<row>` have these corrections."""
    return RawRequest(
        "r", "serving", "t", 0, 1, datetime(2026, 3, 1, tzinfo=UTC), rows, json.dumps(inputs),
        {int(name[1:]): fields for name, fields in corrections.items()},
    )  # fmt: skip


def test_corrected_fields_lie_over_those_that_came() -> None:
    """Of their row alone, in every place that a row may have in the table; a null is a value."""
    first = request({"income": [1, 2, 3], "city": ["a", "b", "c"]}, 3, _1={"income": 9})
    second = request({"income": [4]}, 1, _0={"city": "d", "income": None})
    flat = unpack([first, second], DEFINITION)
    some = unpack([first], DEFINITION, only={"r": [1]})

    assert [1, 9, 3, None] == flat.values["income"]
    assert ["a", "b", "c", "d"] == flat.values["city"]
    assert {"income": 9, "city": "b"} == flat.payload(1)
    assert [9] == some.values["income"]


def test_a_missing_column_is_a_fault_of_the_rows_that_did_not_get_it() -> None:
    """The other columns stay what they are."""
    flat = unpack([request({"city": ["a", "b"]}, 2, _1={"income": 2})], DEFINITION)

    assert [(0, "income", "is missing")] == [
        (fault.row, fault.column, fault.reason) for fault in flat.faults
    ]
    assert ["a", "b"] == flat.values["city"]
    assert [None, 2] == flat.values["income"]


def test_of_a_broken_request_a_row_with_all_its_fields_stands_alone() -> None:
    """Those that are required; the others are null, since nobody knows which values are its own."""
    broken = {"income": [1], "city": ["a", "b"]}
    flat = unpack([request(broken, 2, _0={"city": "c"}, _1={"income": 2})], DEFINITION)

    assert [0] == [fault.row for fault in flat.faults]
    assert [None, 2] == flat.values["income"]
    assert ["c", None] == flat.values["city"]


def test_rows_that_were_forgotten_are_left_out() -> None:
    """The others keep their numbers; a request that holds nothing any more has no rows."""
    some = replace(request({"income": [1, None, 3], "city": ["a", None, "c"]}, 3), forgotten=(1,))
    none = replace(request({}, 2), forgotten=(1, 0))
    whole = unpack([none, some], DEFINITION)
    chosen = unpack([some], DEFINITION, only={"r": [1, 2]})

    assert ([0, 2], [1, 3], []) == (whole.rows, whole.values["income"], whole.faults)
    assert ([2], ["c"]) == (chosen.rows, chosen.values["city"])
    assert {"income": 3, "city": "c"} == whole.payload(1)
