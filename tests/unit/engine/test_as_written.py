"""Numbers that were computed in float32 are answered with as few digits as tell them apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.engine.as_written import as_written

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(floats, max_size=70))
def test_the_text_is_that_of_the_float32_and_the_float32_is_the_same(values: list[float]) -> None:
    """Text, digits and sign, from the least number to the greatest."""
    narrow = np.array(values, dtype=np.float32)
    found = as_written(narrow)

    assert np.float64 == found.dtype
    assert [float(str(value)) for value in narrow] == found.tolist()
    assert narrow.tobytes() == found.astype(np.float32).tobytes()


def test_a_price_has_two_digits_after_the_point() -> None:
    """In any shape, also out of an array that is not contiguous."""
    prices = np.array([[290.16, 0.1, 1e10], [0.0, -2.5, 1e-17]], dtype=np.float32)

    assert "[[290.16, 0.1, 10000000000.0], [0.0, -2.5, 1e-17]]" == str(as_written(prices).tolist())
    assert [[290.16, 0.0], [0.1, -2.5], [1e10, 1e-17]] == as_written(prices.T).tolist()
    assert (0, 2) == as_written(np.empty((0, 2), dtype=np.float32)).shape


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays(odd: float) -> None:
    """Whoever refuses an answer says which it was."""
    found = as_written(np.array([290.16, odd], dtype=np.float32))

    assert str(odd) == str(found[1])


def test_numbers_of_float64_are_left_alone() -> None:
    """No copy, no digit less."""
    numbers = np.array([290.15997314453125, 0.1])

    assert as_written(numbers) is numbers
