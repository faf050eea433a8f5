"""Names of a file's columns become names of fields."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.columns import NAME, RESERVED
from mlplatform.contracts.naming import as_declared, other_name, plain_name


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("Sepal Length (cm)", "sepal_length_cm"),
        ("MedInc", "med_inc"),
        ("already__so", "already__so"),
        ("2nd", "column_2nd"),
        ("Größe", "groe"),
        ("key", "key_value"),
        ("…", "column"),
    ],
)
def test_a_plain_name_is_near(given_name: str, name: str) -> None:
    """Letters, digits and where words end are kept."""
    assert name == plain_name(given_name)


@given(st.text(max_size=200))
def test_any_text_becomes_a_name(text: str) -> None:
    """A column may have it, and it stays as it is."""
    name = plain_name(text)

    assert re.match(NAME, name)
    assert name not in RESERVED
    assert name == plain_name(name)


@given(st.lists(st.text(max_size=80), max_size=8))
def test_other_names_are_different(texts: list[str]) -> None:
    """Each of several names gets one of its own, which a column may have."""
    taken: list[str] = []
    for text in texts:
        taken.append(other_name(plain_name(text), taken))

    assert len(set(taken)) == len(texts)
    assert all(re.match(NAME, name) for name in taken)


def test_two_that_could_be_meant_stay_as_they_are() -> None:
    """Nobody can tell which of them is the declared one."""
    assert ["A b", "a-b", "c"] == as_declared(["A b", "a-b", "C"], {"a_b", "c"})
