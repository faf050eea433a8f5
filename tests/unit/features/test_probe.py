"""Generated rows: inside the definition, and at its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.columns import Column
from mlplatform.features.probe import UNSEEN, Edge, at_edges, edges, probes

MOST = float(np.finfo(np.float64).max)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({"dtype": "float64", "min": 0, "max": 5}, [(0.0, True), (5.0, True)]),
        ({"dtype": "float64", "min": 0}, [(0.0, True), (MOST, False), (1e39, False)]),
        ({"dtype": "int64", "min": 0.5, "max": 6.5}, [(1, True), (6, True)]),
        ({"dtype": "int64"}, [(-(2**63), False), (2**63 - 1, False)]),
        ({"dtype": "int64", "min": -1e30, "max": 1e30}, [(-(2**63), True), (2**63 - 1, True)]),
        ({"dtype": "float64", "nullable": True, "min": 0, "max": 0}, [(None, True), (0.0, True)]),
        ({"dtype": "string"}, [(UNSEEN, True), ("", True)]),
        ({"dtype": "string", "nullable": True, "values": ["a", "b"]},
         [(None, True), ("a", True), ("b", True)]),
        ({"dtype": "bool"}, []),
    ],
)  # fmt: skip
def test_the_edges_of_a_column(column: dict[str, Any], expected: list[Any]) -> None:
    """What pipeline.yaml says, and where it says nothing, what the type can hold."""
    found = edges([Column(name="x", **column)])

    assert [Edge("x", value, declared=said) for value, said in expected] == found


def test_a_row_has_one_edge() -> None:
    """The others are those of the rows below, which are begun anew when they are used up."""
    columns = [Column(name="x", dtype="float64", nullable=True), Column(name="y", dtype="string")]
    base = {"x": np.array([1.0, 2.0]), "y": np.array(["a", "b"], dtype=object)}
    some = [Edge("x", None), Edge("y", None), Edge("x", 7.0)]
    table = at_edges(base, some)

    assert [None, 2.0, 7.0] == [None if x != x else x for x in table["x"].tolist()]  # noqa: PLR0124
    assert ["a", None, "a"] == table["y"].tolist()
    assert [1.0, 2.0] == base["x"].tolist()
    assert {"x", "y"} == {edge.column for edge in edges(columns)}


@pytest.mark.parametrize(
    "column",
    [
        {"dtype": "int64", "min": -1e30, "max": 1e30},
        {"dtype": "int64", "min": 1e30},
        {"dtype": "float64", "min": -MOST, "max": MOST},
    ],
)
def test_ranges_wider_than_their_type_have_probes(column: dict[str, Any]) -> None:
    """A range may say more than 64 bits can; its rows are still of its type."""
    tables = list(probes([Column(name="x", **column)]))

    assert [2, 1, 0] == [len(table["x"]) for table in tables]
    assert all(np.isfinite(table["x"].astype(float)).all() for table in tables)
