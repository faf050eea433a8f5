"""Rows become requests of tensors that serving reads as the very same rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensor_server import DATATYPES, TensorServer

from mlplatform.client.predict.tensors import TensorBody, encoded
from mlplatform.client.row_table import row_table
from mlplatform.errors import InvalidInput

ROW = {"width": 1.5, "count": 3, "ready": True, "colour": "réd"}
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ROWS = st.fixed_dictionaries(
    {
        "width": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "count": st.integers(-(2**63), 2**63 - 1),
        "ready": st.booleans(),
        "colour": st.none() | TEXTS,
    }
)


Sent = Callable[[Any], tuple[TensorBody, dict[str, list[Any]]]]


@pytest.fixture(scope="module")
def sent(client_of: Callable[..., Any]) -> Sent:
    """The request of some rows, and what serving would store of it."""

    def send(rows: Any) -> tuple[TensorBody, dict[str, list[Any]]]:
        body = encoded(row_table(rows), DATATYPES, None)
        server = TensorServer()
        client_of(server).infer("flowers", body)
        return body, server.requests[0]

    return send


@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_serving_stores_what_was_given(sent: Sent, rows: list[dict[str, Any]]) -> None:
    """Any numbers, nulls and texts arrive as they are, in bytes or in JSON."""
    body, stored = sent(rows)

    assert {name: [row[name] for row in rows] for name in ROW} == stored
    whole = all(row["colour"] is not None for row in rows)
    assert whole == (body.json_bytes is not None)


def test_frames_are_the_same_request(sent: Sent) -> None:
    """Pandas and Arrow send what a list of dicts sends: a null beside numbers is no broken one."""
    rows = [ROW, ROW | {"width": None, "colour": None}, ROW | {"count": -7, "ready": False}]
    frame = pd.DataFrame(rows)
    frame["colour"] = frame["colour"].astype("category")
    table = pa.Table.from_pylist(rows)
    nullable = pd.DataFrame(rows).convert_dtypes()

    for other in (frame, nullable, table, table.to_batches()[0]):
        assert sent(rows)[1] == sent(other)[1]


def test_whole_rows_of_frames_go_as_bytes(sent: Sent) -> None:
    """Columns without nulls, and numbers with NaN, cost no JSON; narrow types are widened."""
    frame = pd.DataFrame([ROW, ROW | {"width": float("nan")}])
    narrow = frame.astype({"width": "float32", "count": "uint8"})
    table = pa.Table.from_pandas(frame)

    assert [True] * 3 == [sent(each)[0].json_bytes is not None for each in (frame, narrow, table)]
    assert ([1.5, None], [3, 3]) == (sent(narrow)[1]["width"], sent(narrow)[1]["count"])


def test_key_and_time_go_along(sent: Sent) -> None:
    """Columns beside the model's keep their values: a time as ISO text, a key as it is."""
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    _, stored = sent([ROW | {"plant": 7, "seen_at": moment}])

    assert ([7], ["2026-01-02T03:00:00+00:00"]) == (stored["plant"], stored["seen_at"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 3.5}, r"inputs.count\[1\]"),
        ({"count": "3"}, r"inputs.count\[1\]"),
        ({"count": None}, r"inputs.count\[1\]"),
        ({"ready": None}, r"inputs.ready\[1\]"),
        ({"count": 2**63}, r"inputs.count\[1\]"),
        ({"width": True}, r"inputs.width\[1\]"),
        ({"ready": 1}, r"inputs.ready\[1\]"),
        ({"colour": 5}, r"inputs.colour\[1\]"),
        ({"width": float("inf")}, r"inputs.width\[1\]"),
        ({"width": float("inf"), "colour": None}, r"width\[1\]"),
        ({"colour": b"x"}, r"colour\[1\]: a bytes"),
        ({"colour": ["x"]}, r"colour\[1\]: a list"),
    ],
)
def test_a_wrong_value_is_named(sent: Sent, change: dict[str, Any], said: str) -> None:
    """Nothing is bent to fit: row and column are named, here or by serving."""
    with pytest.raises(InvalidInput, match=said):
        sent([ROW, ROW | change])


def test_whole_numbers_may_come_as_floats(sent: Sent) -> None:
    """As pandas makes them beside a null, and as other languages do."""
    frame = pd.DataFrame([ROW, ROW]).astype({"count": "float64"})

    assert ([3, 3], [3]) == (sent(frame)[1]["count"], sent([ROW | {"count": 3.0}])[1]["count"])


def test_arrays_of_the_wrong_kind_are_named(sent: Sent) -> None:
    """An array of truth values is no number, one of numbers no truth value."""
    frame = pd.DataFrame([ROW]).assign(width=np.array([True]))

    with pytest.raises(InvalidInput, match=r"inputs.width\[0\]"):
        sent(frame)
