"""Records as raw requests of many rows."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.dataapi.rows.record import Record
from mlplatform.dataapi.rows.requests import BYTES, ROWS, requests

VALUES = st.none() | st.integers(-9, 9) | st.text(max_size=3) | st.booleans()
RECORDS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1), max_size=30)


@given(RECORDS)
def test_rows_come_back_in_their_order_with_their_own_fields(rows: list[dict[str, object]]) -> None:
    """Whatever fields they have: none is added, none is lost."""
    made = list(requests([Record(number, row) for number, row in enumerate(rows, start=1)]))
    found = []
    for request in made:
        columns = json.loads(request.inputs)
        found += [
            {name: values[row] for name, values in columns.items()} for row in range(request.rows)
        ]

    assert rows == found


def test_a_request_has_a_bounded_number_of_rows() -> None:
    """Long imports are divided."""
    made = list(requests([Record(number, {"a": number}) for number in range(2 * ROWS + 5)]))

    assert [ROWS, ROWS, 5] == [request.rows for request in made]


def test_wide_rows_make_small_requests() -> None:
    """A request is below its bound of bytes, unless one row alone is longer."""
    wide = "x" * (BYTES // 3)
    made = list(requests([Record(1, {"a": "x" * BYTES}), *[Record(2, {"a": wide})] * 5]))

    assert [1, 2, 1, 2] == [request.rows for request in made]
    assert [True, False, False, False] == [len(request.inputs) > BYTES for request in made]
