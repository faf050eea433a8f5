"""Measure a model that has passed its trial: its memory is touched, and a call's cost is known."""

from __future__ import annotations

import time

from mlplatform.engine.trial import SIZES, Table, drawn
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.request import DecodedRequest
from mlplatform.telemetry import logger

_log = logger("serving")
_TRIES = 3  # the first call allocates; the best of three is what a warm call costs


def warm_up(model: LoadedModel) -> None:
    """Prepare `model` to serve. Raises what the model raises."""
    if not model.multiple:
        _log.warning(
            "the model predicts a row differently in a batch: each request gets a call of its own",
            pipeline=model.signature.pipeline,
        )
    rows = drawn(model.features)
    costs = {size: _cost(model, rows, size) for size in SIZES}
    row_s = max(0.0, (costs[SIZES[-1]] - costs[SIZES[0]]) / (SIZES[-1] - SIZES[0]))
    model.measured(max(0.0, costs[SIZES[0]] - row_s * SIZES[0]), row_s)


def _cost(model: LoadedModel, drawn: Table, rows: int) -> float:
    """Seconds from a decoded request to its outputs.

    For a fast model most of them go into turning lists into arrays and back.
    """
    columns = [drawn[name][:rows].tolist() for name in model.layout.names]
    request = DecodedRequest.of_columns(model.layout, columns, rows)
    best = float("inf")
    for _ in range(_TRIES):
        started = time.perf_counter()
        model.answer([request])
        best = min(best, time.perf_counter() - started)
    return best
