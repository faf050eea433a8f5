"""What becomes of single rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

Good = Callable[..., dict[str, Any]]


def test_a_served_row_becomes_a_feature_row(road: Any, good: Good) -> None:
    """Each row of a request is a typed feature row under the digest, with its key and time."""
    digest = road.apply()
    (request,) = road.serve([good(loan="L1", asked_at="2026-02-03T04:05:06+02:00"), good(city=None, income=0, children=0, member=False)])
    road.drain()

    first, second = road.features(digest)
    assert first.pop("batch") == second.pop("batch") > 0
    assert (str(first.pop("request_id")), str(second.pop("request_id"))) == (request, request)
    assert first == {
        "row": 0, "event_time": datetime(2026, 2, 3, 2, 5, 6, tzinfo=UTC), "key": "L1",
        "income": 30.5, "city": "Bonn", "heads": 3, "member": True,
    }  # fmt: skip
    assert second == {
        "row": 1, "event_time": datetime(2026, 3, 1, 12, tzinfo=UTC), "key": None,
        "income": 0.0, "city": None, "heads": 1, "member": False,
    }  # fmt: skip
    assert road.rows("SELECT count(*) FROM warehouse.labels")[0]["count"] == 0


@pytest.mark.parametrize(
    ("changes", "column", "reason"),
    [
        ({"income": "much"}, "income", "'much' is a string, not a number"),
        ({"income": None}, "income", "is null, and the column allows no nulls"),
        ({"income": 1001}, "income", "1001 is above 1000"),
        ({"income": True}, "income", "True is a bool, not a number"),
        ({"children": 1.5}, "children", "1.5 is not a whole number"),
        ({"children": 2**63}, "children", "9223372036854775808 is too large for 64 bits"),
        ({"member": 1}, "member", "1 is a number, not true or false"),
        ({"city": "Bo\0nn"}, "city", "'Bo\\x00nn' holds a NUL character or half a surrogate pair"),
        ({"children": -1}, "", "pipelines/loans/features.py, line 6: ValueError: less than no children"),
        ({"asked_at": "yesterday"}, "asked_at", "'yesterday' is no time (ISO 8601 text or seconds since the epoch)"),
        ({"asked_at": 1.7e12}, "asked_at", "1700000000000.0 is no time (ISO 8601 text or seconds since the epoch)"),
        ({"asked_at": 10_000_000_000}, "asked_at", "10000000000 is not between the years 1900 and 2200"),
        ({"loan": [1]}, "loan", "[1] can't be a key: text or a whole number"),
        ({"income": -1, "member": None}, "member", "member: is null, and the column allows no nulls; income: -1 is below 0"),
    ],
)
def test_a_bad_row_goes_to_quarantine_alone(road: Any, good: Good, changes: dict[str, Any], column: str, reason: str) -> None:
    """The rows around it become feature rows; the bad one is kept with the column, the reason and what was sent."""
    digest = road.apply()
    (before, bad, after) = road.serve([good()], [good(asked_at=5, loan="x") | changes], [good()])
    road.drain()

    assert [before, after] == [str(row["request_id"]) for row in road.features(digest)]
    (entry,) = road.quarantine(digest)
    assert (entry["request_id"], entry["row"], entry["column_name"], entry["reason"]) == (bad, 0, column, reason)
    assert entry["payload"]["city"] == ("Bo\\u0000nn" if "city" in changes else "Bonn")
    assert road.balance(digest) == {"raw": 3, "waiting": 0, "featured": 2, "quarantined": 1}


@pytest.mark.parametrize(
    ("inputs", "column", "reason"),
    [
        ('{"income": [1, 2], "city": ["a"], "children": [1], "member": [true]}', "income", "has 2 values, and the request has 1 rows"),
        ('{"income": 1, "city": ["a"], "children": [1], "member": [true]}', "income", "has a int, and the request has 1 rows"),
        ('{"income": [1], "city": ["a"], "member": [true]}', "children", "is missing"),
        ("[1, 2]", "", "the inputs are no JSON object of columns"),
        ('{"income": [1], "city": ["\\ud800"], "children": [1], "member": [true]}', "", "the inputs are no JSON object of columns"),
    ],
)
def test_a_request_that_is_no_table_blocks_nobody(road: Any, good: Good, inputs: str, column: str, reason: str) -> None:
    """Whatever reached the raw database, its rows are quarantined and the road goes on."""
    digest = road.apply()
    bad = road.store_text(inputs, rows=1, offset=3)
    road.store_text('{"income": [1], "city": ["a"], "children": [1], "member": [true]}', rows=1, offset=4)
    road.drain()

    (entry,) = road.quarantine(digest)
    assert (bad, column, reason) == (entry["request_id"], entry["column_name"], entry["reason"])
    assert len(road.features(digest)) == 1


def test_rows_of_an_older_definition_fit_when_they_can(road: Any, good: Good) -> None:
    """A column that was dropped is ignored, one that was added and is nullable is null; one that was added otherwise is a fault."""
    road.serve([good(height=3)])
    columns = road_columns = [{"name": "income", "dtype": "float64"}, {"name": "region", "dtype": "string", "nullable": True}]
    lenient = road.apply(None, columns=columns)
    road.drain()
    strict = road.apply(None, columns=[*road_columns, {"name": "age", "dtype": "int64"}])
    road.drain()

    assert [{"income": 30.5, "region": None}] == road.features(lenient, "income, region")
    assert [("age", "is missing")] == [(row["column_name"], row["reason"]) for row in road.quarantine(strict)]


@pytest.mark.parametrize(
    ("target", "value", "stored"),
    [
        ({"name": "paid", "dtype": "string", "values": ["no", "yes"]}, "yes", (None, "yes")),
        ({"name": "paid", "dtype": "bool"}, True, (1.0, None)),
        ({"name": "paid", "dtype": "int64"}, 7, (7.0, None)),
        ({"name": "paid", "dtype": "float64"}, 2.5, (2.5, None)),
    ],
)
def test_a_history_row_brings_its_label(road: Any, good: Good, target: dict[str, Any], value: Any, stored: Any) -> None:
    """The target of an imported row becomes a label of its type; a row without one is a feature row without a label."""
    digest = road.apply(target=target)
    road.bring(good(paid=value), good(paid=None), good())
    road.drain()

    first = road.features(digest)
    labels = road.rows("SELECT request_id, row, number, text, source, valid_from FROM warehouse.labels")
    assert len(first) == 3
    assert [(stored, "import", True)] == [
        ((label["number"], label["text"]), label["source"], label["valid_from"] == first[0]["batch"]) for label in labels
    ]


@pytest.mark.parametrize(
    ("target", "value", "reason"),
    [
        ({"name": "paid", "dtype": "string", "values": ["no", "yes"]}, "perhaps", "'perhaps' is not one of no, yes"),
        ({"name": "paid", "dtype": "string"}, 1, "1 is a number, not a string"),
        ({"name": "paid", "dtype": "bool"}, 1, "1 is a number, not true or false"),
        ({"name": "paid", "dtype": "int64"}, 1.5, "1.5 is not a whole number"),
        ({"name": "paid", "dtype": "float64"}, "1", "'1' is a string, not a number"),
    ],
)
def test_a_bad_label_keeps_the_row_out(road: Any, good: Good, target: dict[str, Any], value: Any, reason: str) -> None:
    """A history row whose target breaks its contract is in quarantine, neither feature row nor label."""
    digest = road.apply(target=target)
    road.bring(good(paid=value))
    road.drain()

    assert [("paid", reason)] == [(row["column_name"], row["reason"]) for row in road.quarantine(digest)]
    assert road.features(digest) == road.rows("SELECT * FROM warehouse.labels") == []


def test_a_request_can_not_label_itself(road: Any, good: Good) -> None:
    """The target's name in a served request is ignored."""
    digest = road.apply()
    road.serve([good(paid="yes")])
    road.drain()

    assert len(road.features(digest)) == 1
    assert road.rows("SELECT * FROM warehouse.labels") == []
