"""Run a fresh model on generated rows before it may answer: it must work, its memory is touched, and we learn what a call costs."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from mlplatform.features.probe import probes
from mlplatform.serving.model import LoadedModel

SIZES = (1, 16, 256)
"""Rows per call: the single row that most requests are, a usual batch, and a large one for the cost per row."""
_TRIES = 3  # the first call allocates; the best of three is what a warm call costs


def warm_up(model: LoadedModel) -> None:
    """Measure `model`. Raises what the model raises: a version that can't answer the rows its own definition allows must not serve."""
    tables = [dict(table) for table in probes(model.signature.inputs)]
    for table in tables:
        rows = len(next(iter(table.values())))
        if rows:
            model.predict(table, rows)
    costs = {size: _cost(model, {name: np.resize(values, size) for name, values in tables[0].items()}, size) for size in SIZES}
    small, large = SIZES[0], SIZES[-1]
    row_s = max(0.0, (costs[large] - costs[small]) / (large - small))
    model.measured(max(0.0, costs[small] - row_s * small), row_s)


def _cost(model: LoadedModel, table: dict[str, NDArray[np.generic]], rows: int) -> float:
    best = float("inf")
    for _ in range(_TRIES):
        started = time.perf_counter()
        model.predict(table, rows)
        best = min(best, time.perf_counter() - started)
    return best
