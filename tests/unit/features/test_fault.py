"""Values as they are shown to a person."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest

from mlplatform.features.fault import shown

DEEP: Any = reduce(lambda inner, _: [inner], range(100_000), [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("x" * 100, "'" + "x" * 58 + "…"),
        ({"a": [1]}, "{'a': [1]}"),
        (DEEP, "a list nested very deeply"),
    ],
)
def test_any_value_can_be_shown(value: Any, text: str) -> None:
    """Long ones are cut; one that is nested too deeply for Python's text is described."""
    assert text == shown(value)
