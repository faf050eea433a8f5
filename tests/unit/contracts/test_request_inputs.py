"""The forms in which inputs are recorded."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.request import EncodedRecord, decode, encode
from mlplatform.contracts.request_inputs import (
    columns_form,
    shortened,
    tensors_form,
)
from mlplatform.errors import InvalidInput

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def record(body: bytes, rows: int) -> bytes:
    return encode(
        EncodedRecord(
            outbox_id="o",
            sequence=1,
            request_id="r",
            pipeline="ward",
            version="1",
            caller="me",
            received_us=1,
            rows=rows,
            dialect="rows",
            body=msgspec.Raw(body),
            outputs=msgspec.Raw(b'{"prediction":[1.5]}'),
        )
    )


def packed(array: Any) -> str:
    return base64.b64encode(np.asarray(array).tobytes()).decode()


COLUMNS = {"age": [1, 2], "bmi": [2.5, None], "class": ["a", "ü"]}
FORMS: dict[str, Any] = {
    "rows": {
        "rows": [
            {"age": 1, "bmi": 2.5, "class": "a"},
            {"class": "ü", "bmi": None, "age": 2},
        ],
        "id": "the client's own",
    },
    "columns": {"columns": COLUMNS},
    "tensors": {
        "tensors": [
            {"names": ["age"], "values": [1, 2]},
            {"names": ["bmi"], "values": [[2.5], [None]]},
            {"names": ["class"], "values": ["a", "ü"]},
        ]
    },
    "packed": {
        "tensors": [
            {"names": ["age"], "dtype": "int64", "data": packed([1, 2])},
            {"names": ["bmi"], "dtype": "float32", "data": packed(np.float32([2.5, np.nan]))},
            {"names": ["class"], "values": ["a", "ü"]},
        ]
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_decoded_to_the_same_columns(form: str) -> None:
    """Rows, columns, tensors and packed tensors; the other fields are kept as well."""
    found = decode(record(json.dumps(FORMS[form]).encode(), 2))

    assert COLUMNS == found.inputs
    assert ("rows", "ward", {"prediction": [1.5]}) == (found.dialect, found.pipeline, found.outputs)


def test_a_tensor_of_several_columns_lies_row_by_row() -> None:
    """Flat or one list per row, as JSON or as bytes."""
    names, numbers = ("a", "b", "c"), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    forms = (
        tensors_form([(names, np.array(numbers))]),
        tensors_form([(names, np.array(numbers).astype(">f8"))]),
        tensors_form([(names, b"[1,2,3,4,5,6]"), (["key"], b"[7,8]")]),
        tensors_form([(names, json.dumps(numbers).encode())]),
    )
    columns = {"a": [1.0, 4.0], "b": [2.0, 5.0], "c": [3.0, 6.0]}

    assert [columns, columns, columns | {"key": [7, 8]}, columns] == [
        decode(record(form, 2)).inputs for form in forms
    ]


def test_rows_may_lack_key_and_time() -> None:
    """They are null there: what serving accepts without them."""
    rows = [{"x": 1, "patient": 7}, {"x": 2}, {"x": 3, "seen_at": "2026"}]

    assert {"x": [1, 2, 3], "patient": [7, None, None], "seen_at": [None, None, "2026"]} == decode(
        record(json.dumps({"rows": rows}).encode(), 3)
    ).inputs


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "exactly one of"),
        ({"rows": [{"x": 1}], "columns": {"x": [1]}}, "exactly one of"),
        ({"rows": [{f"c{row}": 1} for row in range(50)]}, "rows differ"),
        ({"rows": [{"x": 1}]}, "column x has 1 values for 50 rows"),
        ({"rows": [{"x": [1]}] * 50}, "column x holds lists or objects"),
        ({"columns": {"x": [1] * 49}}, "column x has 49 values for 50 rows"),
        ({"columns": {"x": [[1]] * 50}}, "column x holds lists or objects"),
        ({"tensors": [{"names": ["x"], "values": [1] * 51}]}, "1 columns and 50 rows has 51"),
        ({"tensors": [{"names": ["x", "x"], "values": [1] * 100}]}, "is there twice"),
        ({"tensors": [{"names": ["x"], "values": [1] * 50}] * 2}, "is there twice"),
        ({"tensors": [{"names": ["x"], "values": [[[1]]] * 50}]}, "holds lists or objects"),
        ({"tensors": [{"names": ["x"], "dtype": "object", "data": ""}]}, "unknown dtype object"),
        ({"tensors": [{"names": ["x"], "dtype": "int64", "data": "AAAA"}]}, "no array of int64"),
        ({"tensors": [{"names": ["x"], "dtype": "int64", "data": "?"}]}, "base64"),
        ({"tensors": [{"names": [], "values": [1]}]}, "0 columns and 50 rows has 1"),
    ],
)
def test_inputs_that_can_be_no_columns(body: Any, reason: str) -> None:
    """A record that serving can't have written is refused, and costs no more than its bytes."""
    with pytest.raises(InvalidInput, match=reason):
        decode(record(json.dumps(body).encode(), 50))


@given(JSON, st.integers(-1, 3))
def test_any_json_is_columns_or_refused(body: Any, rows: int) -> None:
    """Whatever stands where the inputs should be, a reader gets columns of that many rows."""
    parts = body if isinstance(body, dict) else {"rows": body}
    for form in (parts, {"columns": body}, {"tensors": [{"names": ["a"], "values": body}]}):
        try:
            found = decode(record(json.dumps(form).encode(), rows))
        except InvalidInput:
            continue
        assert all(rows == len(values) for values in found.inputs.values())


def test_a_form_is_shortened_without_loss() -> None:
    """As columns each name stands once, and no blanks are left."""
    form = json.dumps(FORMS["rows"], indent=4).encode()

    assert columns_form(COLUMNS) == shortened(form, 2)
