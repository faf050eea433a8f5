"""What a batch makes of its requests, without a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.raw_requests import RawRequest
from mlplatform.etl.batch import process, refused, subset
from mlplatform.features import code

RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
FEATURES = b"""
def engineer(columns):
    if (columns["children"] < 0).any():
        raise ValueError("less than no children")
    children = columns["children"].astype(str).astype(object)
    return {"income": columns["income"], "city": columns["city"] + children}
"""


def _definition(**changes: Any) -> PipelineDefinition:
    document = {
        "name": "loans",
        "description": "Whether a loan will be paid back.",
        "task": "classification",
        "columns": [
            {"name": "income", "dtype": "float64", "min": 0, "max": 1000},
            {"name": "city", "dtype": "string"},
            {"name": "children", "dtype": "int64"},
            {"name": "member", "dtype": "bool"},
            {"name": "debt", "dtype": "float64", "nullable": True},
        ],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "key": "loan",
        "time": "asked_at",
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.5}],
    }
    if changes.get("target", {}).get("dtype") == "float64":
        document |= {
            "task": "regression",
            "tuning": {"metric": "r2"},
            "gates": [{"metric": "r2", "min": 0.1}],
        }
    return PipelineDefinition.parse(document | changes)


def _row(**changes: Any) -> dict[str, Any]:
    return {"income": 30.5, "city": "Bonn", "children": 2, "member": True, "debt": None} | changes


def _request(
    number: int,
    *rows: dict[str, Any],
    source: str = "serving",
    inputs: str | None = None,
    count: int | None = None,
) -> RawRequest:
    columns = {
        name: [row.get(name) for row in rows]
        for name in dict.fromkeys(name for row in rows for name in row)
    }
    text = json.dumps(columns) if inputs is None else inputs
    return RawRequest(
        f"id-{number}", source, "topic", 0, number, RECEIVED, count or len(rows), text
    )


def _process(
    *requests: RawRequest, source: bytes | None = FEATURES, **changes: Any
) -> FeatureBatch:
    return process(requests, _definition(**changes), _loaded(source, **changes))


def _loaded(source: bytes | None = FEATURES, **changes: Any) -> code.FeatureSet:
    return code.load(_definition(**changes), source, digest=None)


def _labels(made: FeatureBatch) -> list[tuple[Any, ...]]:
    labels = made.labels
    return list(zip(labels.ids, labels.rows, *labels.values(), strict=True))


def test_rows_come_out_in_order_with_all_they_carry() -> None:
    """Ids, row numbers, times, keys and features of several requests stand in one order."""
    made = _process(
        _request(1, _row(loan=7, asked_at="2026-02-03"), _row(income=1)),
        _request(2, _row(city="Ulm", children=0)),
    )

    assert ["id-1", "id-1", "id-2"] == made.ids
    assert [0, 1, 0] == made.rows
    assert ["2026-02-03T00", "2026-03-01T12", "2026-03-01T12"] == (
        np.datetime_as_string(made.times, unit="h").tolist()
    )
    assert ["7", None, None] == made.keys
    assert [30.5, 1.0, 30.5] == made.features["income"].tolist()
    assert ["Bonn2", "Bonn2", "Ulm0"] == made.features["city"].tolist()
    assert [] == made.bad


def test_a_weight_lies_beside_the_features() -> None:
    """A row without one has none; what can't be one puts its row into quarantine."""
    made = _process(
        _request(1, _row(share=2.5), _row(), _row(share=0), _row(share=-1), _row(share="much")),
        source=None,
        weight="share",
    )

    assert ["2.5", "nan", "0.0"] == [str(value) for value in made.features["share"].tolist()]
    assert [("share", "-1 is below 0"), ("share", "'much' is a string, not a number")] == [
        (bad.column, bad.reason) for bad in made.bad
    ]


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
        ({"city": {"a": 1}}, "city", "{'a': 1} is a object, not a string"),
        (
            {"children": -1},
            "",
            "pipelines/loans/features.py, line 4: ValueError: less than no children",
        ),
        (
            {"asked_at": "yesterday"},
            "asked_at",
            "'yesterday' is not a time (ISO 8601 text or seconds since the epoch)",
        ),
        (
            {"asked_at": True},
            "asked_at",
            "True is neither ISO 8601 text nor seconds since the epoch",
        ),
        (
            {"asked_at": 1.7e12},
            "asked_at",
            "1700000000000.0 is not a time (ISO 8601 text or seconds since the epoch)",
        ),
        (
            {"asked_at": 10_000_000_000},
            "asked_at",
            "10000000000 is not between the years 1900 and 2200",
        ),
        ({"loan": [1]}, "loan", "[1] can't be a key: text or a whole number"),
        ({"loan": "\0"}, "loan", "'\\x00' can't be a key: text or a whole number"),
        (
            {"income": -1, "member": None},
            "member",
            "member: is null, and the column allows no nulls; income: -1 is below 0",
        ),
    ],
)
def test_a_bad_row_is_alone(changes: dict[str, Any], column: str, reason: str) -> None:
    """The rows around it are good; the bad one has its column, its reason and what was sent."""
    made = _process(_request(1, _row(), _row(loan="x", asked_at=5) | changes), _request(2, _row()))

    assert [("id-1", 0), ("id-2", 0)] == list(zip(made.ids, made.rows, strict=True))
    (bad,) = made.bad
    assert ("id-1", 1, column, reason) == (bad.request_id, bad.row, bad.column, bad.reason)
    assert _row(loan="x", asked_at=5) | changes == {"loan": "x", "asked_at": 5} | bad.payload


@pytest.mark.parametrize(
    ("inputs", "column", "reason"),
    [
        (
            '{"income": [1, 2], "city": ["a"], "children": [1], "member": [true]}',
            "income",
            "has 2 values, and the request has 1 rows",
        ),
        (
            '{"income": 1, "city": ["a"], "children": [1], "member": [true]}',
            "income",
            "has a int, and the request has 1 rows",
        ),
        ('{"income": [1], "city": ["a"], "member": [true]}', "children", "is missing"),
        ("[1, 2]", "", "the inputs are not a JSON object of columns"),
        (
            '{"income": [1], "city": ["\\ud800"], "children": [1], "member": [true]}',
            "",
            "the inputs are not a JSON object of columns",
        ),
    ],
)
def test_a_request_that_is_no_table_is_bad_as_a_whole(
    inputs: str, column: str, reason: str
) -> None:
    """Whatever reached the raw database, its rows are bad rows and the others are not touched."""
    made = _process(_request(1, inputs=inputs, count=1), _request(2, _row()))

    assert ["id-2"] == made.ids
    assert [("id-1", column, reason)] == [
        (row.request_id, row.column, row.reason) for row in made.bad
    ]


def test_unknown_fields_are_left_out_and_nullable_ones_may_be_missing() -> None:
    """Rows of an older definition fit as far as they can."""
    row = {name: value for name, value in _row(height=3).items() if name != "debt"}
    made = _process(_request(1, row), source=None)

    assert ["income", "city", "children", "member", "debt"] == list(made.features)
    assert "nan" == str(made.features["debt"][0])


@pytest.mark.parametrize(
    ("target", "value", "stored"),
    [
        ({"name": "paid", "dtype": "string", "values": ["no", "yes"]}, "yes", (None, "yes")),
        ({"name": "paid", "dtype": "bool"}, True, (1.0, None)),
        ({"name": "paid", "dtype": "int64"}, 7, (7.0, None)),
        ({"name": "label", "dtype": "float64"}, 2.5, (2.5, None)),
    ],
)
def test_only_history_rows_bring_labels(
    target: dict[str, Any], value: Any, stored: tuple[Any, Any]
) -> None:
    """The target of an imported row becomes its label; a request can't label itself."""
    name = target["name"]
    rows = [
        _request(1, _row(**{name: value}), source="import"),
        _request(2, _row(**{name: value})),
        _request(3, _row(), source="import"),
    ]
    made = _process(*rows, _request(4, _row(**{name: None}), source="import"), target=target)

    assert [("id-1", 0, *stored), ("id-3", 0, None, None), ("id-4", 0, None, None)] == (
        _labels(made)
    )
    assert 4 == len(made.ids)


@pytest.mark.parametrize(
    ("target", "value", "reason"),
    [
        (
            {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
            "perhaps",
            "'perhaps' is not one of no, yes",
        ),
        ({"name": "paid", "dtype": "string"}, 1, "1 is a number, not a string"),
        (
            {"name": "paid", "dtype": "string"},
            "ä" * 1001,
            "'" + "ä" * 58 + "… is too long for a label: at most 2000 bytes",
        ),
        ({"name": "paid", "dtype": "bool"}, 1, "1 is a number, not true or false"),
        ({"name": "paid", "dtype": "int64"}, 1.5, "1.5 is not a whole number"),
        (
            {"name": "paid", "dtype": "int64"},
            2**53 + 1,
            "9007199254740993 is too large for a label: at most 2**53",
        ),
        ({"name": "paid", "dtype": "float64"}, "1", "'1' is a string, not a number"),
    ],
)
def test_a_bad_label_keeps_the_row_out(target: dict[str, Any], value: Any, reason: str) -> None:
    """A history row whose target breaks its contract is neither feature row nor label."""
    made = _process(
        _request(1, _row(), source="import"),
        _request(2, _row(paid=value), source="import"),
        target=target,
    )

    assert ["id-1"] == made.ids
    assert [("id-2", "paid", reason)] == [
        (row.request_id, row.column, row.reason) for row in made.bad
    ]
    assert [("id-1", 0, None, None)] == _labels(made)


def test_every_row_may_be_bad() -> None:
    """Code that raises for all rows makes all of them bad, each with the reason, in order."""
    made = _process(_request(1, *[_row(children=-1)] * 9))

    assert [] == made.ids
    assert list(range(9)) == [row.row for row in made.bad]
    assert [0, 0] == [len(array) for array in made.features.values()]


def test_a_text_feature_that_postgres_can_not_store_is_bad() -> None:
    """NUL characters that features.py makes are found before the database sees them."""
    source = b"""
import numpy as np
def engineer(columns):
    texts = np.where(columns["income"] > 10, "a\\0b", "c").astype(object)
    return {"n": columns["income"], "t": texts}
"""
    made = _process(_request(1, _row(income=1), _row(income=20), _row(income=2)), source=source)

    assert [0, 2] == made.rows
    assert [1.0, 2.0] == made.features["n"].tolist()
    assert [(1, "t")] == [(row.row, row.column) for row in made.bad]


def test_a_subset_is_the_same_rows() -> None:
    """Of a processed request only the wanted rows remain, good and bad."""
    made = _process(
        _request(1, _row(), _row(income=-1), _row(income=3), _row(income=-2), source="import")
    )
    some = subset(made, {("id-1", 2), ("id-1", 3)})

    assert ([2], [3.0], [3]) == (
        some.rows,
        some.features["income"].tolist(),
        [row.row for row in some.bad],
    )


def test_only_some_rows_of_a_request_are_processed() -> None:
    """What is wrong with the others is not looked at, and rows keep their numbers."""
    request = _request(1, _row(), _row(income=-1), _row(income=3), _row(income=-2))
    made = process([request], _definition(), _loaded(), only={"id-1": [3, 2]})

    assert ([2], [3.0], [3]) == (
        made.rows,
        made.features["income"].tolist(),
        [row.row for row in made.bad],
    )


def test_refused_rows_carry_the_reason_and_what_was_sent() -> None:
    """Rows that the database refuses are bad as a whole."""
    request = _request(1, _row(), _row(income=7))
    made = refused([request], _definition(), "no", only={"id-1": [1]})

    assert [(1, "", "no", 7)] == [
        (row.row, row.column, row.reason, row.payload["income"]) for row in made
    ]
