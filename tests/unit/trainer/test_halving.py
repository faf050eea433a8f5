"""Which combinations and rows each rung of a halving search has."""

from __future__ import annotations

import numpy as np
import pytest

from mlplatform.trainer import halving
from mlplatform.trainer.halving import chosen, rungs


@pytest.fixture(autouse=True)
def _small_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rungs of so few rows that a test is quick."""
    monkeypatch.setattr(halving, "LEAST_ROWS", 1000)


def test_rungs_grow_by_three_and_end_with_all_rows() -> None:
    """The best third goes on with three times the rows; the last ones are several, on all rows."""
    assert [(27, 10_000), (9, 30_000), (3, 90_000)] == rungs(27, 90_000)
    assert [(8, 30_000), (3, 90_000)] == rungs(8, 90_000)


def test_small_tables_have_fewer_rungs() -> None:
    """Nothing is chosen by a handful of rows, and few combinations need no rungs."""
    assert [(27, 1300), (9, 3900)] == rungs(27, 3900)
    assert [(27, 2999)] == rungs(27, 2999)
    assert [(3, 90_000)] == rungs(3, 90_000)


def test_a_rung_holds_the_rows_of_the_one_before(definition) -> None:
    """A larger choice only adds rows, and the same seed chooses the same ones."""
    labels = np.array(["no", "yes"] * 500, dtype=object)
    few, many = (chosen(labels, count, definition()) for count in (100, 300))

    assert set(few) < set(many)
    assert few.tolist() == chosen(labels, 100, definition()).tolist() == sorted(few)
    assert few.tolist() != chosen(labels, 100, definition(split={"seed": 1})).tolist()


def test_each_class_has_its_share_and_rare_ones_some_rows(definition) -> None:
    """A third of the rows holds a third of each class; a class of five rows is not lost."""
    labels = np.array(["no"] * 595 + ["yes"] * 300 + ["rare"] * 5, dtype=object)
    names, counts = np.unique(labels[chosen(labels, 300, definition())], return_counts=True)

    assert ["no", "rare", "yes"] == names.tolist()
    assert counts[1] >= 4
    assert 190 <= counts[0] <= 202


def test_by_time_the_latest_rows_are_chosen(definition) -> None:
    """A model is to predict what comes next, so the oldest rows wait for the last rung."""
    latest = chosen(np.arange(10), 4, definition(split={"by": "time"}))

    assert [6, 7, 8, 9] == latest.tolist()
