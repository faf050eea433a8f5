"""Frames and lists become columns, or are refused by name."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mlplatform.client.row_table import row_table
from mlplatform.errors import InvalidInput


def test_rows_keep_their_order() -> None:
    """A part of a table holds the rows that were meant."""
    table = row_table([{"a": number, "b": str(number)} for number in range(9)])

    assert {"a": [3, 4], "b": ["3", "4"]} == table.part(3, 5).columns
    assert (9, 2) == (table.rows, table.part(3, 5).rows)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "there are no rows"),
        (pd.DataFrame({"a": []}), "there are no rows"),
        ({"a": [1]}, "rows can't be read from dict"),
        ("a.csv", "rows can't be read from str"),
        ([{"a": 1}, {"b": 1}], "row 1"),
        ([{"a": 1}, {}], "a: row 1 lacks it"),
        ([{"a": 1}, {"a": 1, "b": 2}], "b: row 1 has it, and row 0 does not"),
        ([{1: 1}], "the name of column 1 is not a text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "a: two columns have this name"),
        (pd.DataFrame([[1, 2]]), "the name of column 0 is not a text"),
    ],
    ids=range(10),
)
def test_what_is_no_table_is_refused(rows: Any, said: str) -> None:
    """The message says what is wrong with the rows, before anything is sent."""
    with pytest.raises(InvalidInput, match=said):
        row_table(rows)
