"""Successive halving: all combinations on a share of the rows, the best third on thrice as many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlplatform.contracts.pipeline import PipelineDefinition

FACTOR = 3
"""How many times more rows each rung has, and fewer combinations.

Three is what scikit-learn takes: with more, the first rung decides by very few rows.
"""
LEAST_ROWS = 10_000
"""Fewer rows choose badly: with rungs of 1,700 and 3,300 rows, halving found worse parameters than
a plain search of the same price on two of three tables (tests/benchmarks/tuning.py)."""


def rungs(combinations: int, rows: int) -> list[tuple[int, int]]:
    """(combinations, rows) of each rung; the last one has all rows and several combinations."""
    steps = 0
    while FACTOR ** (steps + 1) < combinations and rows // FACTOR ** (steps + 1) >= LEAST_ROWS:
        steps += 1
    return [
        (-(-combinations // FACTOR**rung), rows // FACTOR ** (steps - rung))
        for rung in range(steps + 1)
    ]


def chosen(labels: NDArray[Any], count: int, definition: PipelineDefinition) -> NDArray[np.int64]:
    """Positions of so many rows, ascending: by time the latest, else drawn with the split's seed.

    A larger choice holds all of a smaller one. Each class has its share, and some rows however rare
    it is.
    """
    if definition.split.by == "time":
        return np.arange(len(labels) - count, len(labels))
    drawn = np.random.default_rng(definition.split.seed).permutation(len(labels))
    if definition.task == "classification":
        classes = pd.Series(labels[drawn]).groupby(labels[drawn], sort=False)
        place = classes.cumcount().to_numpy()
        share = place / classes.transform("size").to_numpy()
        share[place <= definition.tuning.folds] = 0
        drawn = drawn[np.argsort(share, kind="stable")]
    return np.sort(drawn[:count])
