"""The generated rows on which an export is compared with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns, Feature, length
from mlplatform.engine.trial import drawn
from mlplatform.features.code import FeatureSet
from mlplatform.features.probe import UNSEEN, Edge, at_edges, edges
from mlplatform.trainer.outcome import outcome

Reach = Literal["usual", "declared", "limit"]
"""How far rows reach: like known ones, to the ends of pipeline.yaml, to the ends of the types."""
DECLARED = "ends, nulls and texts that pipeline.yaml allows"
LIMITS = "numbers without a declared end (`min`, `max`)"
_ROWS = 256
_EDGES = 128


def generated(
    train: Columns, made: FeatureSet, random: np.random.Generator, *, fine: bool = False
) -> Iterator[tuple[str, Reach, Columns]]:
    """Name, reach and features of each block. `train` are known ones. `fine`: see `_next_to`."""
    features = made.features

    # The order of the draws is part of what the seed stands for: new blocks come last.
    def rows(make: Callable[[NDArray[Any], Feature, np.random.Generator], NDArray[Any]]) -> Columns:
        return {f.name: make(train[f.name], f, random) for f in features}

    yield "values mixed across rows", "usual", rows(_mixed)
    yield "numbers between and around the known ones", "usual", rows(_spread)
    yield "least and greatest values", "usual", rows(_extremes)
    nulls = {
        f.name: None if f.dtype == "string" else np.nan
        for f in features
        if _nullable(f, train[f.name])
    }
    if nulls:
        yield "nulls", "usual", _changed(rows(_mixed), nulls, random)
    if unseen := {f.name: UNSEEN for f in features if f.dtype == "string"}:
        yield "unseen categories", "usual", _changed(rows(_mixed), unseen, random)
    yield from _edges(rows(_mixed) if made.identity else drawn(made), made)
    if fine:
        yield "numbers next to the known ones", "usual", rows(_next_to)


def _edges(base: Columns, made: FeatureSet) -> Iterator[tuple[str, Reach, Columns]]:
    """Raw rows at the edges of the definition, through features.py where there is one."""
    every = edges(made.inputs)
    declared = [edge for edge in every if edge.declared]
    limits = [edge for edge in every if not edge.declared]
    blocks: tuple[tuple[str, Reach, list[Edge]], ...] = (
        (DECLARED, "declared", declared),
        (LIMITS, "limit", limits),
    )
    for name, reach, some in blocks:
        raw = at_edges(base, _few(some))
        # Rows that features.py refuses reach neither model.
        rows = raw if made.identity else outcome(made.apply, raw, numbers=False).answers
        if length(rows):
            yield name, reach, rows


def _few(some: list[Edge]) -> list[Edge]:
    """Not more than are asked in reasonable time, from all columns."""
    if len(some) <= _EDGES:
        return some
    return [some[at] for at in np.linspace(0, len(some) - 1, _EDGES).astype(int)]


def _changed(rows: Columns, values: Mapping[str, Any], random: np.random.Generator) -> Columns:
    """The rows, in half of which the named columns hold these values."""
    for name, value in values.items():
        rows[name][random.random(_ROWS) < 0.5] = value
    return rows


def _nullable(feature: Feature, known: NDArray[Any]) -> bool:
    """Strings always are; numbers where training rows have nulls, as estimators refuse others."""
    if feature.dtype == "string":
        return True
    return feature.dtype == "float64" and bool(np.isnan(known).any())


def _mixed(values: NDArray[Any], _: Feature, random: np.random.Generator) -> NDArray[Any]:
    return random.choice(values, _ROWS)


def _spread(values: NDArray[Any], feature: Feature, random: np.random.Generator) -> NDArray[Any]:
    if feature.dtype not in ("float64", "int64"):
        return random.choice(values, _ROWS)
    low, high = _range(values)
    drawn = random.uniform(low - (high - low) / 10, high + (high - low) / 10, _ROWS)
    return drawn if feature.dtype == "float64" else np.rint(drawn).astype(np.int64)


def _extremes(values: NDArray[Any], feature: Feature, random: np.random.Generator) -> NDArray[Any]:
    if feature.dtype not in ("float64", "int64"):
        return random.choice(values, _ROWS)
    low, high = _range(values)
    wide = high - low
    return random.choice(np.array([low, high, low - wide, high + wide, 0.0]), _ROWS).astype(
        values.dtype
    )


def _next_to(values: NDArray[Any], _: Feature, random: np.random.Generator) -> NDArray[Any]:
    """Known numbers, and their neighbours in float64 and float32: boosters split at or between."""
    known = random.choice(values, _ROWS)
    if values.dtype.kind != "f":
        return known
    with np.errstate(over="ignore"):
        narrow = known.astype(np.float32)
        around = [known, narrow.astype(np.float64)]
        for way in (-np.inf, np.inf):
            around += [np.nextafter(known, way), np.nextafter(narrow, np.float32(way))]
    chosen = np.choose(random.integers(0, len(around), _ROWS), around).astype(np.float64)
    return np.where(np.isinf(chosen), known, chosen)


def _range(values: NDArray[Any]) -> tuple[float, float]:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return (float(np.min(known)), float(np.max(known))) if len(known) else (0.0, 1.0)
