"""Held-out rows that also stand among the training rows are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.seen_rows import SeenRows, count


def _rows(age: list[float], plan: list[str | None], labels: list[Any]) -> LabelledRows:
    size = len(labels)
    return LabelledRows(
        request_ids=np.array([f"{number}" for number in range(size)], dtype=object),
        rows=np.zeros(size, dtype=np.int64),
        keys=np.array([f"key {number}" for number in range(size)], dtype=object),
        times=np.full(size, np.datetime64("2026-01-01", "us")),
        labels=np.array(labels),
        features={"age": np.array(age), "plan": np.array(plan, dtype=object)},
    )


def test_seen_rows_are_counted_by_label() -> None:
    """All features must be equal; a label that any equal training row has is the same one."""
    train = _rows([1, 1, 2, 3], ["a", "a", "b", "c"], ["yes", "no", "no", "yes"])
    test = _rows([1, 2, 3, 1, 9], ["a", "b", "c", "b", "a"], ["yes", "yes", "yes", "no", "no"])

    assert SeenRows(same_label=2, other_label=1, held_out=5) == count(train, test)
    assert pytest.approx(0.6) == count(train, test).share


@pytest.mark.parametrize(
    ("known", "asked"),
    [((np.nan, "a"), (-np.nan, "a")), ((0.0, "a"), (-0.0, "a")), ((1.0, None), (1.0, ""))],
)
def test_what_a_model_cannot_tell_apart_is_equal(
    known: tuple[Any, Any], asked: tuple[Any, Any]
) -> None:
    """NaN equals NaN, zero its negative, and a null string the empty one."""
    train, test = (_rows([age], [plan], [0.5]) for age, plan in (known, asked))

    assert SeenRows(1, 0, 1) == count(train, test)


def test_the_limit_is_a_twentieth() -> None:
    """Five of a hundred rows are no reason to warn, six are."""
    assert [False, True] == [SeenRows(most, 0, 100).many for most in (5, 6)]
