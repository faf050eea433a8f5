"""Run a model on generated rows before it may serve: in training, and at every load.

It must answer what its definition allows. Found on the way is how rows must be padded for a
prediction not to depend on the others in the batch (with ONNX Runtime on x86, a float32 linear
model gave half of all rows another last bit when they came alone; in pairs, none).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Column, Columns, length
from mlplatform.contracts.model import Signature
from mlplatform.engine.blame import reason_of
from mlplatform.errors import InvalidInput, PlatformError, RowRefused, UnfitModel
from mlplatform.features.code import FeatureSet
from mlplatform.features.fault import shown_row

SIZES = (1, 16, 256)
"""Rows per call: the single row of most requests, a usual batch, and a large one for the cost per
row."""
_MULTIPLES = (2, 4, 8, 16)
"""Paddings that are tried. 2 is the least, also where no difference shows: some models differ on
one row of 200 only, which a trial may miss."""
REFUSED_ROW = "pipeline.yaml"
"""The field of an UnfitModel that a row is to blame for."""
_ROWS = 96
_BATCHES = (2, 3, 5, 8, 17, 33, 96)
_BUDGET_S = 2.0
"""Most seconds for comparing rows alone and in batches.

Slow models are compared on fewer rows; a version that takes minutes to load would be no better off.
"""
Table = Mapping[str, NDArray[np.generic]]


class Model(Protocol):
    """What is tried: `Predictor`, and serving's model around one."""

    signature: Signature
    features: FeatureSet

    def predict(self, table: Columns, rows: int) -> Columns:
        """Raw columns in, outputs out."""
        ...


def run_trial(model: Model, *, known: Columns | None = None) -> int:
    """The padding that `model` needs: rows per call are a multiple of it; 0 when none helps.

    Raises UnfitModel that names the row and what to do when the model can't answer it: about the
    columns to blame where `known` has a row that it answers, else about all that may be.
    """
    rows = drawn(model.features)
    for table in (*model.features.probes.tables, rows):
        _require_answer(model, table, known)
    return next((multiple for multiple in _MULTIPLES if _steady(model, rows, multiple)), 0)


def drawn(features: FeatureSet) -> Table:
    """Random rows between those of the first probe, as many as the largest of `SIZES`.

    Rows of the history are only repeated, and so are others where features.py refuses those between
    them. Raises InvalidInput when there are no probes.
    """
    base = features.probes.rows
    whole = np.random.default_rng(1).integers(0, length(base), SIZES[-1])
    repeated = {name: values[whole] for name, values in base.items()}
    if features.probes.known:
        return repeated
    draw = np.random.default_rng(0)
    table = {column.name: _between(column, base[column.name], draw) for column in features.inputs}
    try:
        features.apply(table)
    except InvalidInput:
        return repeated
    return table


def _between(
    column: Column, values: NDArray[np.generic], draw: np.random.Generator
) -> NDArray[np.generic]:
    low, high = values[0], values[-1]
    if column.dtype == "float64" and not column.example:
        return draw.uniform(low, high, SIZES[-1])
    if column.dtype == "int64" and not column.example:
        return draw.integers(low, high, SIZES[-1], endpoint=True)
    return values[draw.integers(0, len(values), SIZES[-1])]


def _require_answer(model: Model, table: Columns, known: Columns | None) -> None:
    try:
        model.predict(table, length(table))
    except Exception as error:  # a model is foreign code: it may raise anything
        for one in _rows(table):
            if refusal := _refusal(model, one):
                raise _unfit(one, _to_blame(model, one, known), refusal) from error
        raise UnfitModel(f"the model can't answer several rows at once: {_text(error)}") from error


def _refusal(model: Model, row: Columns) -> str:
    """What the model says against that row, or ''."""
    try:
        model.predict(row, 1)
    except Exception as error:  # noqa: BLE001 - as above
        return _text(error)
    return ""


def _text(error: Exception) -> str:
    if isinstance(error, PlatformError) and not isinstance(error, RowRefused):
        return str(error)[:400]
    return reason_of(error)


def _to_blame(model: Model, row: Columns, known: Columns | None) -> tuple[Column, ...]:
    """The columns whose value alone is refused, put into a row that is answered."""
    columns = model.signature.inputs
    parts = _rows(known) if known is not None else iter(())
    sound = next((part for part in parts if not _refusal(model, part)), None)
    if sound is None:
        return columns
    alone = [one for one in columns if _refusal(model, {**sound, one.name: row[one.name]})]
    return tuple(alone) or columns


def _rows(table: Columns) -> Iterator[Columns]:
    for row in range(length(table)):
        yield {name: values[row : row + 1] for name, values in table.items()}


def _unfit(row: Columns, columns: tuple[Column, ...], refusal: str) -> UnfitModel:
    values = {column.name: _plain(row[column.name]) for column in columns}
    ways = "; ".join(filter(None, (_way_out(column, values[column.name]) for column in columns)))
    names = ", ".join(column.name for column in columns) if len(columns) < len(row) else ""
    return UnfitModel(
        f"the model refuses a row that pipeline.yaml allows ({shown_row(row, 0)}): {refusal}"
        f"{f', to blame is {names}' if names else ''}",
        field=REFUSED_ROW,
        fix="declare such values away, or let model.py handle them (`handle_unknown` of an encoder,"
        f" an imputer before the estimator){': ' if ways else ''}{ways[:600]}",
    )


def _way_out(column: Column, value: Any) -> str:
    """How to declare that value away; '' where the declaration says what is allowed already."""
    if value is None:
        return f"`nullable: false` for '{column.name}'"
    if column.dtype == "string":
        return "" if column.values else f"`values` for '{column.name}'"
    bounded = column.dtype == "bool" or (column.min is not None and column.max is not None)
    return "" if bounded else f"`min` and `max` for '{column.name}'"


def _plain(values: NDArray[Any]) -> Any:
    """The only value as a Python object, None for null."""
    value = values.tolist()[0]
    return None if isinstance(value, float) and math.isnan(value) else value


def _steady(model: Model, rows: Table, multiple: int) -> bool:
    """Whether every row gets the same bytes alone and in batches, padded to `multiple`."""
    end = time.perf_counter() + _BUDGET_S
    alone: list[tuple[bytes, ...]] = []
    while len(alone) < _ROWS and time.perf_counter() < end - _BUDGET_S / 2:
        alone += _answers(model, rows, len(alone), len(alone) + 1, multiple)
    for size in _BATCHES:
        for start in range(0, len(alone) - size + 1, size):
            if _answers(model, rows, start, start + size, multiple) != alone[start : start + size]:
                return False
            if time.perf_counter() > end:
                return True
    return True


def _answers(
    model: Model, table: Table, start: int, end: int, multiple: int
) -> list[tuple[bytes, ...]]:
    rows = end - start
    outputs = model.predict(_part(table, start, end, -rows % multiple), rows + -rows % multiple)
    return [
        tuple(np.asarray(values[row]).tobytes() for values in outputs.values())
        for row in range(rows)
    ]


def _part(table: Table, start: int, end: int, padding: int) -> dict[str, NDArray[np.generic]]:
    return {
        name: np.concatenate([values[start:end], values[end - 1 : end].repeat(padding)])
        for name, values in table.items()
    }
