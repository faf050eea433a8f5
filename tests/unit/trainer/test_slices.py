"""Slices of the test rows."""

from __future__ import annotations

import numpy as np

from mlplatform.trainer.slices import LEAST_ROWS, slices


def test_slices_cover_every_row_once() -> None:
    """Quartiles of numbers, values of strings and nulls: each row is in exactly one slice."""
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=101)
    numbers[:7] = np.nan
    many = np.array(
        [f"value {number}" for number in draw.integers(0, 90, 300)] + [None] * 3, dtype=object
    )

    for values in (numbers, many, numbers > 0, draw.integers(0, 3, 50), np.zeros(30)):
        parts = slices("it", values)
        assert list(range(len(values))) == sorted(
            np.concatenate([part.positions for part in parts]).tolist()
        )
        assert len(parts) <= 50
    assert [24, 23, 23, 24, 7] == [len(part.positions) for part in slices("it", numbers)]
    assert [
        True,
        False,
    ] == [
        part.counts
        for part in slices(
            "it", np.repeat(np.array(["a", "b"], dtype=object), [LEAST_ROWS, LEAST_ROWS - 1])
        )
    ]
