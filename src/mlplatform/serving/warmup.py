"""Run a fresh model on generated rows before it may serve.

It must work, its memory is touched, the cost of a call is measured, and so is how rows must be
padded for a prediction not to depend on the others in the batch (with ONNX Runtime on x86, a
float32 linear model gave half of all rows another last bit when they came alone; in pairs, none).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Column
from mlplatform.features.probe import probes
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.request import DecodedRequest
from mlplatform.telemetry import logger

SIZES = (1, 16, 256)
"""Rows per call: the single row of most requests, a usual batch, and a large one for the cost per
row."""
_TRIES = 3  # the first call allocates; the best of three is what a warm call costs
_MULTIPLES = (2, 4, 8, 16)
"""Paddings that are tried. 2 is the least, also where no difference shows: some models differ on
one row of 200 only, which a trial may miss."""
_ROWS = 96
_BATCHES = (2, 3, 5, 8, 17, 33, 96)
_BUDGET_S = 2.0
"""Most seconds for a trial.

Slow models are compared on fewer rows; a version that takes minutes to load would be no better off.
"""
_log = logger("serving")
Table = Mapping[str, NDArray[np.generic]]


def warm_up(model: LoadedModel) -> None:
    """Prepare `model`.

    Raises what the model raises: a version that can't answer the rows its own definition allows
    must not serve.
    """
    for table in probes(model.signature.inputs):
        rows = len(next(iter(table.values())))
        if rows:
            model.predict(table, rows)
    drawn = _drawn(model.signature.inputs, max(*SIZES, _ROWS))
    model.multiple = next(
        (multiple for multiple in _MULTIPLES if _steady(model, drawn, multiple)), 0
    )
    if not model.multiple:
        _log.warning(
            "the model predicts a row differently in a batch: each request gets a call of its own",
            pipeline=model.signature.pipeline,
        )
    costs = {size: _cost(model, drawn, size) for size in SIZES}
    row_s = max(0.0, (costs[SIZES[-1]] - costs[SIZES[0]]) / (SIZES[-1] - SIZES[0]))
    model.measured(max(0.0, costs[SIZES[0]] - row_s * SIZES[0]), row_s)


def _drawn(columns: tuple[Column, ...], rows: int) -> Table:
    """Random rows between the definition's own examples."""
    draw = np.random.default_rng(0)
    low_high = next(iter(probes(columns)))
    table: dict[str, NDArray[np.generic]] = {}
    for column in columns:
        low, high = low_high[column.name]
        if column.dtype == "float64":
            table[column.name] = draw.uniform(low, high, rows)
        elif column.dtype == "int64":
            table[column.name] = draw.integers(low, high + 1, rows)
        else:
            table[column.name] = low_high[column.name][draw.integers(0, 2, rows)]
    return table


def _steady(model: LoadedModel, drawn: Table, multiple: int) -> bool:
    """Whether every row gets the same bytes alone and in batches, padded to `multiple`."""
    end = time.perf_counter() + _BUDGET_S
    alone: list[tuple[bytes, ...]] = []
    while len(alone) < _ROWS and time.perf_counter() < end - _BUDGET_S / 2:
        alone += _answers(model, drawn, len(alone), len(alone) + 1, multiple)
    for size in _BATCHES:
        for start in range(0, len(alone) - size + 1, size):
            if _answers(model, drawn, start, start + size, multiple) != alone[start : start + size]:
                return False
            if time.perf_counter() > end:
                return True
    return True


def _answers(
    model: LoadedModel, drawn: Table, start: int, end: int, multiple: int
) -> list[tuple[bytes, ...]]:
    rows = end - start
    outputs = model.predict(_part(drawn, start, end, -rows % multiple), rows + -rows % multiple)
    return [
        tuple(np.asarray(values[row]).tobytes() for values in outputs.values())
        for row in range(rows)
    ]


def _part(drawn: Table, start: int, end: int, padding: int) -> dict[str, NDArray[np.generic]]:
    return {
        name: np.concatenate([values[start:end], values[end - 1 : end].repeat(padding)])
        for name, values in drawn.items()
    }


def _cost(model: LoadedModel, drawn: Table, rows: int) -> float:
    """Seconds from a decoded request to its outputs.

    For a fast model most of them go into turning lists into arrays and back.
    """
    request = DecodedRequest([drawn[name][:rows].tolist() for name in model.names], rows)
    best = float("inf")
    for _ in range(_TRIES):
        started = time.perf_counter()
        model.answer([request])
        best = min(best, time.perf_counter() - started)
    return best
