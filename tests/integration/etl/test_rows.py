"""What becomes of single rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Good = Callable[..., dict[str, Any]]


def test_a_served_row_becomes_a_feature_row(scene: Any, good: Good) -> None:
    """Each row of a request is a typed feature row under the digest, with its key and time."""
    digest = scene.apply()
    (request,) = scene.serve(
        [
            good(loan="L1", asked_at="2026-02-03T04:05:06+02:00"),
            good(city=None, income=0, children=0, member=False),
        ]
    )
    scene.drain()

    first, second = scene.features(digest)
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
    assert 0 == len(scene.labels())


def test_bad_rows_go_to_quarantine_alone(scene: Any, good: Good) -> None:
    """Bad values, raising features, broken requests.

    Each is kept with column, reason and what was sent; all others are feature rows.
    """
    digest = scene.apply()
    requests = scene.serve(
        [good(), good(income="much"), good()],
        [good(children=-1)],
        [good(city="Bo\0nn", income=-1)],
        [good(asked_at="yesterday")],
        [good(children=2**63)],
        [good()],
    )
    broken = scene.store_text(
        '{"income": [1, 2], "city": ["\\u0000"], "children": [1], "member": [true]}',
        rows=1,
        offset=30,
    )
    scene.store_text(
        '{"income": [1], "city": ["a"], "children": [1], "member": [true]}', rows=1, offset=31
    )
    scene.drain()

    assert [
        (requests[0], 1, "income", "'much' is a string, not a number"),
        (
            requests[1],
            0,
            "",
            "pipelines/loans/features.py, line 6: ValueError: less than no children",
        ),
        (
            requests[2],
            0,
            "city",
            (
                "city: 'Bo\\x00nn' holds a NUL character or half a surrogate pair; income: -1 is "
                "below 0"
            ),
        ),
        (
            requests[3],
            0,
            "asked_at",
            "'yesterday' is not a time (ISO 8601 text or seconds since the epoch)",
        ),
        (requests[4], 0, "children", "9223372036854775808 is too large for 64 bits"),
        (broken, 0, "income", "has 2 values, and the request has 1 rows"),
    ] == [
        (row["request_id"], row["row"], row["column_name"], row["reason"])
        for row in scene.quarantine(digest)
    ]
    assert {
        "income": -1,
        "city": "Bo\\u0000nn",
        "children": 2,
        "member": True,
    } == scene.quarantine(digest)[2]["payload"]
    assert {"raw": 10, "waiting": 0, "featured": 4, "quarantined": 6} == scene.balance(digest)


def test_rows_of_an_older_definition_fit_when_they_can(scene: Any, good: Good) -> None:
    """A column that was dropped is ignored, one that was added and is nullable is null.

    One that was added otherwise is a fault.
    """
    scene.serve([good(height=3)])
    columns = earlier = [
        {"name": "income", "dtype": "float64"},
        {"name": "region", "dtype": "string", "nullable": True},
    ]
    lenient = scene.apply(None, columns=columns)
    scene.drain()
    strict = scene.apply(None, columns=[*earlier, {"name": "age", "dtype": "int64"}])
    scene.drain()

    assert [{"income": 30.5, "region": None}] == scene.features(lenient, "income, region")
    assert [("age", "is missing")] == [
        (row["column_name"], row["reason"]) for row in scene.quarantine(strict)
    ]


def test_a_history_row_brings_its_label(scene: Any, good: Good) -> None:
    """The target of an imported row becomes a label under the mark of its batch.

    A bad one keeps the row out, a missing one does not.
    """
    digest = scene.apply()
    scene.bring(good(paid="yes"), good(paid=None), good(), good(paid="perhaps"))
    scene.drain()

    first = scene.features(digest)[0]
    assert scene.labels() == [
        {
            "pipeline": "loans",
            "request_id": first["request_id"],
            "row": 0,
            "number": None,
            "text": "yes",
            "source": "import",
            "valid_from": first["batch"],
        }
    ]
    assert [("paid", "'perhaps' is not one of no, yes")] == [
        (row["column_name"], row["reason"]) for row in scene.quarantine(digest)
    ]
    assert {"raw": 4, "waiting": 0, "featured": 3, "quarantined": 1} == scene.balance(digest)


def test_numbers_and_flags_are_number_labels(scene: Any, good: Good) -> None:
    """A bool target is stored as 0 or 1; served requests can't label themselves."""
    scene.apply(target={"name": "paid", "dtype": "bool"})
    scene.bring(good(paid=True), good(paid=False))
    scene.serve([good(paid=True)])
    scene.drain()

    labels = [(label["number"], label["text"]) for label in scene.labels()]
    assert [(1.0, None), (0.0, None)] == labels
