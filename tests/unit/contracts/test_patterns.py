"""Regular expressions of pipeline.yaml."""

from __future__ import annotations

import pytest

from mlplatform.contracts.patterns import matcher


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"\d{4}-\d\d", "2025-01", True),
        (r"\d{4}-\d\d", "2025-01\n", False),
        (r"\d{4}-\d\d", "x2025-01", False),
        ("a|b", "ab", False),
        ("(?i)be", "BE", True),
        ("", "", True),
        (r"\w+", "größe", True),
        ("(a+)+", "a" * 100_000 + "b", False),  # Python's own engine would not come back
        ("(a|a)*", "a" * 100_000 + "b", False),
    ],
)
def test_a_whole_text_matches_or_not(pattern: str, text: str, expected: bool) -> None:
    """In a time that grows only with the text."""
    assert expected == matcher(pattern)(text)


@pytest.mark.parametrize("pattern", ["[", "a)|(b", "(?=a)b", r"(a)\1", "(a{1000}){1000}"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """Also what needs more than one look at each character, and what takes megabytes."""
    with pytest.raises(ValueError, match=r"\w"):
        matcher(pattern)
