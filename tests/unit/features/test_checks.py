"""Nulls, ranges and allowed values."""

from __future__ import annotations

import numpy as np

from mlplatform.contracts.columns import Column
from mlplatform.features.checks import check

DECLARED = (
    Column(name="speed", dtype="float64", min=0, max=10, unit="m/s"),
    Column(name="gap", dtype="float64", nullable=True, min=0),
    Column(name="kind", dtype="string", values=("a", "b")),
    Column(name="note", dtype="string", nullable=True, values=("x",)),
    Column(name="count", dtype="int64", max=5),
    Column(name="flag", dtype="bool"),
)


def _columns(**changes: list[object]) -> dict[str, np.ndarray]:
    columns = {
        "speed": np.array(changes.get("speed", [0.0, 10.0]), dtype=float),
        "gap": np.array(changes.get("gap", [np.nan, 0.0]), dtype=float),
        "kind": np.array(changes.get("kind", ["a", "b"]), dtype=object),
        "note": np.array(changes.get("note", [None, "x"]), dtype=object),
        "count": np.array(changes.get("count", [5, -5]), dtype=np.int64),
        "flag": np.array(changes.get("flag", [True, False]), dtype=bool),
    }
    return {name: array[: len(columns["speed"])] for name, array in columns.items()}


def test_values_on_the_border_are_good() -> None:
    """Ranges are inclusive, and a null that is allowed breaks no other rule."""
    assert [] == check(_columns(), DECLARED)


def test_no_rows_are_good_rows() -> None:
    """An empty table breaks nothing."""
    assert [] == check({name: array[:0] for name, array in _columns().items()}, DECLARED)


def test_everything_that_is_wrong_comes_at_once() -> None:
    """One call names every row and column with its reason, in the order of the rows."""
    columns = _columns(
        speed=[-1.0, 10.5, np.nan],
        gap=[-0.5, 1, 1],
        kind=["a", None, "c"],
        note=["y", None, None],
        count=[6, 1, 1],
        flag=[True] * 3,
    )
    faults = check(columns, DECLARED)

    assert {
        (0, "speed", "-1 is below 0 m/s"),
        (0, "gap", "-0.5 is below 0"),
        (0, "note", "'y' is not one of x"),
        (0, "count", "6 is above 5"),
        (1, "speed", "10.5 is above 10 m/s"),
        (1, "kind", "is null, and the column allows no nulls"),
        (2, "speed", "is null, and the column allows no nulls"),
        (2, "kind", "'c' is not one of a, b"),
    } == {(fault.row, fault.column, fault.reason) for fault in faults}
    assert [fault.row for fault in faults] == sorted(fault.row for fault in faults)


def test_a_text_that_does_not_match_its_pattern_is_named() -> None:
    """The whole text must match; a null that is allowed needs not."""
    declared = [Column(name="day", dtype="string", nullable=True, pattern=r"\d{4}-\d\d")]
    days = np.array(["2025-01", None, "2025-1", "x2025-01", "2025-01\n"], dtype=object)
    faults = check({"day": days}, declared)

    assert [
        (2, r"'2025-1' does not match \d{4}-\d\d"),
        (3, r"'x2025-01' does not match \d{4}-\d\d"),
        (4, r"'2025-01\n' does not match \d{4}-\d\d"),
    ] == [(fault.row, fault.reason) for fault in faults]
