"""Which row and which column a model has no answer for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.columns import Columns
from mlplatform.engine.blame import blame
from mlplatform.errors import FeaturesOverrun, InvalidInput, RowRefused

SOUND: Columns = {
    "a": np.array([1.0]),
    "b": np.array(["x"], dtype=object),
    "c": np.array([3]),
}


class Picky:
    """Refuses negative `a` and unknown `b`, and counts its calls."""

    def __init__(self, error: type[Exception] = ValueError) -> None:
        self.calls = 0
        self._error = error

    def __call__(self, table: Columns, rows: int) -> Columns:
        """Outputs of raw columns."""
        self.calls += 1
        if (table["a"] < 0).any() or not set(table["b"]) <= {"x", "y"}:
            raise self._error("no such row")
        return {"prediction": np.zeros(rows)}


def _table(rows: int = 5, **wrong: Any) -> dict[str, Any]:
    """Rows that are answered, but for the fourth, which holds these values."""
    table = {name: values.repeat(rows) for name, values in SOUND.items()}
    for name, value in wrong.items():
        table[name][3] = value
    return table


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": -5.0}, "row 3, column a: no answer for -5.0: ValueError: no such row"),
        ({"b": "zz"}, "row 3, column b: no answer for 'zz': ValueError: no such row"),
        ({"b": None}, "row 3, column b: no answer for null: ValueError: no such row"),
    ],
)
def test_a_refused_row_is_named_with_its_column(wrong: dict[str, Any], message: str) -> None:
    """Whatever the model raises, which rarely says either."""
    found = blame(Picky(), _table(**wrong), ValueError("no such row"), SOUND)

    assert isinstance(found, RowRefused)
    assert (message, next(iter(wrong))) == (found.message, found.field)


def test_a_large_request_costs_few_calls() -> None:
    """Halving rows and columns, not one after the other."""
    model = Picky()
    found = blame(model, _table(4096, a=-1.0), ValueError("no"), SOUND)

    assert "row 3, column a" in str(found)
    assert model.calls < 20


def test_the_row_that_a_model_names_itself_is_taken_over() -> None:
    """A checked engine knows the row, and features.py the file and line."""
    known = blame(Picky(InvalidInput), _table(a=-1.0), RowRefused("no", row=3), SOUND)

    assert isinstance(known, RowRefused)
    assert "row 3, column a: no answer for -1.0: no such row" == known.message


def test_rows_are_not_blamed_for_a_model_that_answers_none() -> None:
    """A row that it has answered before tells a bad row from a broken model."""

    def broken(_: Columns, __: int) -> Columns:
        raise RuntimeError("out of memory")

    assert blame(broken, _table(), RuntimeError("out of memory"), SOUND) is None


def test_rows_are_not_blamed_when_each_is_answered_alone() -> None:
    """Then the call as a whole has failed, which is no fault of a row."""
    assert blame(Picky(), _table(), ValueError("once"), SOUND) is None


def test_a_time_limit_that_is_met_meanwhile_ends_the_search() -> None:
    """Each further call would take as long again."""

    def slow(_: Columns, __: int) -> Columns:
        raise FeaturesOverrun("features.py took longer than 1 s")

    found = blame(slow, _table(), ValueError("no"), SOUND)

    assert FeaturesOverrun is type(found)
