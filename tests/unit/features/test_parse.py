"""JSON values to typed columns: strict, whole columns at once, faults by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.columns import Column
from mlplatform.errors import InvalidInput
from mlplatform.features.parse import to_columns

FLOAT, NULLABLE = (
    Column(name="x", dtype="float64"),
    Column(name="x", dtype="float64", nullable=True),
)
INT, BOOL = Column(name="x", dtype="int64"), Column(name="x", dtype="bool")
TEXT, NULLABLE_TEXT = (
    Column(name="x", dtype="string"),
    Column(name="x", dtype="string", nullable=True),
)


@pytest.mark.parametrize(
    ("column", "values", "dtype"),
    [
        (FLOAT, [1.5, -2, 0, 2**70], np.float64),
        (NULLABLE, [1.5, None, math.nan], np.float64),
        (NULLABLE, [None, None], np.float64),
        (INT, [1, -(2**63), 2**63 - 1, 2**53 + 1], np.int64),
        (INT, [3.0, 2], np.int64),
        (BOOL, [True, False], np.bool_),
        (TEXT, ["a", "", "äöü", "😀"], np.object_),
        (NULLABLE_TEXT, ["a", None], np.object_),
        (FLOAT, [], np.float64),
        (TEXT, [], np.object_),
        (FLOAT, np.array([1.5, 2.5], dtype=np.float32), np.float64),
        (FLOAT, np.array([1, 2]), np.float64),
        (INT, np.array([1, 2], dtype=np.int16), np.int64),
        (INT, np.array([1, 2], dtype=np.uint64), np.int64),
        (INT, np.array([1.0, 2.0]), np.int64),
        (BOOL, np.array([True, False]), np.bool_),
        (TEXT, np.array(["a", "b"]), np.object_),
        (NULLABLE_TEXT, np.array(["a", None], dtype=object), np.object_),
    ],
)
def test_good_values_pass_unchanged(column: Column, values: Any, dtype: Any) -> None:
    """The array has the column's type and holds exactly the values; nulls are NaN or None."""
    columns, faults = to_columns({"x": values}, [column])

    assert [] == faults
    assert columns["x"].dtype == dtype
    null = math.nan if column.dtype == "float64" else None
    expected = [
        null if value is None else value
        for value in (values.tolist() if isinstance(values, np.ndarray) else values)
    ]
    assert repr([dtype(value) if dtype is not np.object_ else value for value in expected]) == repr(
        list(columns["x"])
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        (FLOAT, None, "is null, and the column allows no nulls"),
        (FLOAT, math.nan, "is null, and the column allows no nulls"),
        (FLOAT, True, "True is a bool, not a number"),
        (FLOAT, "1", "'1' is a string, not a number"),
        (FLOAT, [1], "[1] is a list, not a number"),
        (FLOAT, math.inf, "inf is infinite"),
        (FLOAT, 10**400, f"{repr(10**400)[:59]}… is too large"),
        (NULLABLE, -math.inf, "-inf is infinite"),
        (INT, None, "is null, and the column allows no nulls"),
        (INT, 1.5, "1.5 is not a whole number"),
        (INT, math.nan, "nan is not a whole number"),
        (INT, math.inf, "inf is not a whole number"),
        (INT, 1e17, "1e+17 is not a whole number"),
        (INT, float(2**53), "9007199254740992.0 is not a whole number"),
        (INT, 2**63, "9223372036854775808 is too large for 64 bits"),
        (INT, False, "False is a bool, not a whole number"),
        (INT, "1", "'1' is a string, not a whole number"),
        (BOOL, 1, "1 is a number, not true or false"),
        (BOOL, "true", "'true' is a string, not true or false"),
        (BOOL, None, "is null, and the column allows no nulls"),
        (TEXT, None, "is null, and the column allows no nulls"),
        (TEXT, 1, "1 is a number, not a string"),
        (TEXT, "a\0", "'a\\x00' holds a NUL character or half a surrogate pair"),
        (TEXT, "\ud800", "'\\ud800' holds a NUL character or half a surrogate pair"),
        (NULLABLE_TEXT, math.nan, "nan is a number, not a string"),
    ],
)
def test_bad_values_are_named(column: Column, value: Any, reason: str) -> None:
    """The fault tells row, column, reason and value; the rows around it are what they should be."""
    good = {"float64": 1.5, "int64": 7, "bool": True, "string": "a"}[column.dtype]
    columns, faults = to_columns({"x": [good, value, good]}, [column])

    (fault,) = faults
    assert (1, "x", reason) == (fault.row, fault.column, fault.reason)
    assert [good, good] == [columns["x"][0], columns["x"][2]]
    assert str(fault) == f"row 1, column x: {reason}"


@pytest.mark.parametrize(
    ("values", "column", "row"),
    [
        (np.array([1.0, np.inf]), FLOAT, 1),
        (np.array([1.0, np.nan]), FLOAT, 1),
        (np.array([2**63], dtype=np.uint64), INT, 0),
        (np.array([1.5]), INT, 0),
        (np.array([True]), INT, 0),
        (np.array([1]), BOOL, 0),
        (np.array([1]), TEXT, 0),
        (np.array(["a"]), FLOAT, 0),
    ],
)
def test_arrays_are_held_to_the_same_rules(values: Any, column: Column, row: int) -> None:
    """What a binary tensor holds is checked as JSON is."""
    _, faults = to_columns({"x": values}, [column])

    assert [row] == [fault.row for fault in faults]


def test_an_array_is_copied() -> None:
    """The caller's buffer may be reused once the columns are made."""
    buffer = np.array([1.0])
    columns, _ = to_columns({"x": buffer}, [FLOAT])
    buffer[0] = 2.0

    assert 1.0 == columns["x"][0]


@pytest.mark.parametrize(
    ("inputs", "field", "reason"),
    [
        ({"x": [1]}, "y", "missing column y"),
        ({"x": [1], "y": ["a"], "z": [1]}, "z", "unknown column z"),
        ({"x": [1, 2], "y": ["a"]}, "y", "column y has 1 values, the first column has 2"),
    ],
)
def test_a_table_of_another_shape_is_refused(
    inputs: dict[str, Any], field: str, reason: str
) -> None:
    """Missing and unknown columns and unequal lengths concern all rows."""
    with pytest.raises(InvalidInput, match=reason) as refusal:
        to_columns(inputs, [FLOAT, Column(name="y", dtype="string")])

    assert refusal.value.field == field


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=1),
)


@given(
    st.lists(_values, max_size=6),
    st.sampled_from([FLOAT, NULLABLE, INT, BOOL, TEXT, NULLABLE_TEXT]),
)
def test_a_batch_is_judged_as_each_value_alone(values: list[Any], column: Column) -> None:
    """Whichever path a column takes, a value is good or bad on its own, and comes out the same."""
    columns, faults = to_columns({"x": values}, [column])
    alone = [to_columns({"x": [value]}, [column]) for value in values]

    assert [row for row, (_, found) in enumerate(alone) if found] == [fault.row for fault in faults]
    assert repr([single["x"][0] for single, _ in alone]) == repr(list(columns["x"]))
