"""A table as one array per type."""

from __future__ import annotations

import numpy as np
import pytest

from mlplatform.contracts.blocks import BlockLayout, TypeBlock
from mlplatform.contracts.columns import Feature

COLUMNS = [
    Feature(name="smoker", dtype="bool"),
    Feature(name="age", dtype="float64"),
    Feature(name="city", dtype="string"),
    Feature(name="bmi", dtype="float64"),
]


def test_columns_of_a_type_lie_together_as_declared() -> None:
    """Order within a block is the order of the declaration, not of names."""
    layout = BlockLayout(COLUMNS)

    assert (
        TypeBlock("float64", ("age", "bmi")),
        TypeBlock("bool", ("smoker",)),
        TypeBlock("string", ("city",)),
    ) == layout.blocks


def test_a_column_of_a_block_table_is_a_view() -> None:
    """Reading a column costs no copy, and the names come as declared."""
    numbers = np.array([[52.0, 27.5], [41.0, 30.1]])
    flags = np.array([[True], [False]])
    texts = np.array([["Bern"], [None]], dtype=object)

    table = BlockLayout(COLUMNS).table([numbers, flags, texts])

    assert ["smoker", "age", "city", "bmi"] == list(table)
    assert [27.5, 30.1] == table["bmi"].tolist()
    assert np.shares_memory(numbers, table["bmi"])
    assert ["Bern", None] == table["city"].tolist()
    with pytest.raises(KeyError):
        table["height"]


def test_contiguous_columns_are_the_same_values_in_the_declared_order() -> None:
    """They are what features.py gets, whose NumPy functions may care about strides."""
    numbers = np.array([[52.0, 27.5], [41.0, 30.1]])
    flags = np.array([[True], [False]])
    texts = np.array([["Bern"], [None]], dtype=object)
    columns = BlockLayout(COLUMNS).table([numbers, flags, texts]).columns()

    assert {
        "smoker": [True, False],
        "age": [52.0, 41.0],
        "city": ["Bern", None],
        "bmi": [27.5, 30.1],
    } == {name: values.tolist() for name, values in columns.items()}
    assert ["smoker", "age", "city", "bmi"] == list(columns)
    assert all(values.flags.c_contiguous for values in columns.values())
