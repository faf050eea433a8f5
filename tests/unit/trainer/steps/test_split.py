"""Held-out rows: the same ones each time, whatever other rows come and go."""

from __future__ import annotations

import numpy as np
import pytest

from mlplatform.errors import InvalidInput
from mlplatform.trainer.seen_rows import SeenRows, count
from mlplatform.trainer.steps.split import hold_out

RANDOM = [2, 4, 9, 11, 16, 18, 25, 30, 35, 48, 50, 54, 58]
LATEST = [18, 7, 34, 47, 23, 2, 0, 55, 41, 33, 51, 44, 54, 26, 59]


def test_a_random_split_is_the_same_each_time_and_keeps_the_shares(table, pinned) -> None:
    """Equal seed, equal rows; another seed, others; no row is on both sides.

    The share is about what the definition says, also of each class.
    """
    rows = table(4000)
    train, test = hold_out(rows, pinned().definition)
    again = hold_out(rows, pinned().definition)[1]
    other = hold_out(rows, pinned(split={"seed": 1}).definition)[1]

    assert again.identities() == test.identities() != other.identities()
    assert sorted(train.identities() + test.identities()) == rows.identities()
    assert pytest.approx(1000, abs=100) == len(test)
    assert np.mean(test.labels == "yes") == pytest.approx(np.mean(train.labels == "yes"), abs=0.05)


def test_a_row_keeps_its_side_when_others_come_and_go(table, pinned) -> None:
    """What a champion was trained on is never held out later.

    Neither one row more nor a window that moved changes a row's side.
    """
    rows, definition = table(300), pinned().definition
    before = set(hold_out(rows.take(np.arange(100, 299)), definition)[0].identities())
    after = set(hold_out(rows, definition)[1].identities())

    assert before.isdisjoint(after)
    assert len(after) > 50


def test_rows_of_one_key_are_on_one_side(table, pinned) -> None:
    """No customer has some of its ten rows in train and others held out.

    Rows without a key are drawn one by one.
    """
    rows = table(400)
    rows.keys[:300] = [f"customer {number % 30}" for number in range(300)]
    train, test = hold_out(rows, pinned().definition)
    known = [{key for key in side.keys if key is not None} for side in (train, test)]

    assert known[0].isdisjoint(known[1])
    assert min(len(keys) for keys in known) > 0
    assert 10 < sum(key is None for key in test.keys) < 40


def test_a_definition_without_content_splits_as_ever(table, pinned) -> None:
    """The first held-out rows of a seed are written down here: champions were trained on others."""
    rows = table(60)
    rows.keys[:20] = [f"customer {number % 7}" for number in range(20)]
    by_key = hold_out(rows, pinned().definition)[1]
    by_time = hold_out(rows, pinned(split={"by": "time"}).definition)[1]

    assert RANDOM == [int(name) for name in by_key.request_ids]
    assert LATEST == [int(name) for name in by_time.request_ids]


def test_a_split_by_content_holds_equal_rows_on_one_side(table, pinned) -> None:
    """A history that was imported three times under other keys has each row on one side only.

    NaN and missing text are content too. The share is about what the definition says, rows keep
    their side when others come, and another seed draws other rows.
    """
    once = table(2000)
    once.features["age"][:100], once.features["plan"][:100] = np.nan, None
    rows = once.take(np.tile(np.arange(2000), 3))
    rows.keys[:] = [f"key {number}" for number in range(6000)]
    definition = pinned(split={"by": "content"}).definition
    train, test = hold_out(rows, definition)
    part = set(hold_out(rows.take(np.arange(1500)), definition)[1].keys)

    assert SeenRows(0, 0, len(test)) == count(train, test)
    assert pytest.approx(1500, abs=150) == len(test)
    assert part == {key for key in test.keys if int(key[4:]) < 1500}
    other = hold_out(rows, pinned(split={"by": "content", "seed": 1}).definition)[1]
    assert len(set(other.keys) & set(test.keys)) < 0.4 * len(test)
    assert count(*hold_out(rows, pinned().definition)).share > 0.9


def test_rows_that_are_all_equal_cannot_be_split_by_content(table, pinned) -> None:
    """The refusal names the setting."""
    rows = table(100).take(np.zeros(50, dtype=np.int64))
    rows.labels[:] = "no"

    with pytest.raises(InvalidInput, match="all rows have the same features") as refused:
        hold_out(rows, pinned(split={"by": "content"}).definition)

    assert "split.by" == refused.value.field


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_tiny_table_has_rows_on_both_sides(table, pinned, share: float) -> None:
    """Where no row, or every row, falls below the share, the nearest one changes sides.

    A single key can't be divided at all.
    """
    rows = table(8)
    rows.labels[:] = "no"
    train, test = hold_out(rows, pinned(split={"test_share": share}).definition)

    assert {1, 7} == {len(train), len(test)}
    rows.keys[:] = "the only one"
    with pytest.raises(InvalidInput, match="one key"):
        hold_out(rows, pinned().definition)


@pytest.mark.parametrize("by", ["random", "time"])
def test_a_class_that_no_training_row_has_is_refused(table, pinned, by: str) -> None:
    """A class that only held-out rows have ends the run with its name.

    Every metric of it would be an illusion.
    """
    rows = table()
    definition = pinned(split={"by": by}, target={"name": "left", "dtype": "string"}).definition
    test = hold_out(rows, definition)[1]
    rows.labels[np.isin(rows.request_ids, test.request_ids[:30])] = "perhaps"

    with pytest.raises(InvalidInput, match="class perhaps"):
        hold_out(rows, definition)


def test_a_split_by_time_holds_out_the_latest(table, pinned) -> None:
    """Every held-out row is later than every other; training rows come in the order of time."""
    train, test = hold_out(table(), pinned(split={"by": "time"}).definition)

    assert train.times.max() < test.times.min()
    assert (np.diff(train.times) > np.timedelta64(0)).all()
    assert 50 == len(test)
