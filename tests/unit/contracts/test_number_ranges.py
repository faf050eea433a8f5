"""Ranges of an outbox's numbers."""

from __future__ import annotations

from mlplatform.contracts.number_ranges import joined, without


def test_ranges_that_touch_or_overlap_are_one() -> None:
    """In whatever order they come; a range within another adds nothing."""
    assert ((1, 6), (8, 20)) == joined([(8, 20), (4, 6), (1, 3), (2, 5), (9, 10)])
    assert () == joined([])


def test_what_lies_in_no_other_range_is_left() -> None:
    """A range may lose its ends, its middle, or all of it."""
    assert [(1, 2), (5, 5), (8, 9)] == without([(1, 5), (7, 9)], [(3, 4), (6, 7)])
    assert [] == without([(2, 3)], [(1, 9)])
    assert [(2, 3)] == without([(2, 3)], [])
