"""Ranges of an outbox's numbers."""

from __future__ import annotations

from mlplatform.contracts.number_ranges import joined


def test_ranges_that_touch_or_overlap_are_one() -> None:
    """In whatever order they come; a range within another adds nothing."""
    assert ((1, 6), (8, 20)) == joined([(8, 20), (4, 6), (1, 3), (2, 5), (9, 10)])
    assert () == joined([])
