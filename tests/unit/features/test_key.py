"""Keys: one meaning for a number and its digits."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.features.key import key_text


@pytest.mark.parametrize("value", [777, 777.0, "777", "777.0", "777.00"])
def test_a_whole_number_is_one_key_however_it_is_written(value: Any) -> None:
    """JSON, Arrow and CSV write it differently, as pandas does beside empty cells."""
    assert ("777", "") == key_text(value)


@pytest.mark.parametrize("text", ["0777", "07.0", "7e2", "1.5", " 7", "a", "0x10", "9" * 5_000])
def test_other_texts_stay_as_they_are(text: str) -> None:
    """Zeros in front, versions and hexadecimal ids are texts."""
    assert (text, "") == key_text(text)


@pytest.mark.parametrize("value", [0, -0.0, "-0", "-0.0", "0.0"])
def test_zero_has_no_sign(value: Any) -> None:
    """JSON reads -0 as 0."""
    assert ("0", "") == key_text(value)


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_key_is_none(value: Any) -> None:
    """CSV can't tell them apart."""
    assert (None, "") == key_text(value)


@pytest.mark.parametrize("value", [True, 777.5, 2.0**53, float("inf"), "a\0", [1]])
def test_what_can_not_be_a_key_is_named(value: Any) -> None:
    """A float of 2**53 may be another number."""
    assert f"{value!r} can't be a key: text or a whole number" == key_text(value)[1]
