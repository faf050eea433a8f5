"""Which rows of a table are answered."""

from __future__ import annotations

import numpy as np
import pytest

from mlplatform.contracts.columns import Columns
from mlplatform.errors import RowRefused
from mlplatform.trainer.outcome import outcome


def _halve(rows: Columns) -> Columns:
    """Half of each number; NaN below 0, and a row of 13 is refused."""
    x = rows["x"]
    if (x == 13).any():
        raise ValueError("thirteen")
    return {"prediction": np.where(x < 0, np.nan, x / 2)}


def _by_name(rows: Columns) -> Columns:
    """The same, but the row is named."""
    if (rows["x"] == 13).any():
        raise RowRefused("thirteen", row=int(np.argmax(rows["x"] == 13)))
    return _halve(rows)


@pytest.mark.parametrize("call", [_halve, _by_name])
def test_refused_rows_are_told_from_answered_ones(call) -> None:
    """Rows that raise, and rows that get no number; the others keep their order."""
    found = outcome(call, {"x": np.array([1.0, 13, 3, -1, 13, 13, 7])})

    assert [True, False, True, False, False, False, True] == found.answered.tolist()
    assert [0.5, 1.5, 3.5] == found.answers["prediction"].tolist()
    assert found.reason


def test_a_table_of_refused_rows_has_no_answers() -> None:
    """Nothing to compare, and why."""
    found = outcome(_halve, {"x": np.full(5, 13.0)})

    assert ([False] * 5, {}, "ValueError: thirteen") == (
        found.answered.tolist(),
        dict(found.answers),
        found.reason,
    )


def test_nulls_of_features_are_values() -> None:
    """Where numbers are not asked for, only what raises is refused."""
    found = outcome(_halve, {"x": np.array([-1.0, 13])}, numbers=False)

    assert [True, False] == found.answered.tolist()
