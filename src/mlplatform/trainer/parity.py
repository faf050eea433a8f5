"""Does the exported model give what scikit-learn gives?

On the held-out rows, and on generated ones that reach further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns, Feature, length
from mlplatform.contracts.pipeline import Metric, PipelineDefinition
from mlplatform.engine.interface import Engine
from mlplatform.telemetry import logger
from mlplatform.trainer import closeness
from mlplatform.trainer.closeness import Scale
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.metrics import Classes, measure, of_task

UNSEEN = "\u2205 never seen"
_ROWS = 256
_log = logger("trainer")


@dataclass(frozen=True)
class Block:
    """Rows that are compared, and what scikit-learn predicts for them."""

    name: str
    features: Columns
    expected: Columns


@dataclass(frozen=True)
class Parity:
    """What the comparison found.

    `difference` is the largest one: of probabilities, or of numbers relative to their spread.
    """

    equal: bool
    rows: int
    difference: float
    complaint: str = ""


@dataclass(frozen=True)
class Judgement:
    """How the pipeline measures predictions for the held-out rows."""

    truth: NDArray[Any]
    classes: Classes | None  # None for a regression
    names: tuple[Metric, ...]

    @classmethod
    def by(
        cls, definition: PipelineDefinition, rows: LabelledRows, classes: Classes | None
    ) -> Judgement:
        """By all metrics of the pipeline's task."""
        return cls(rows.labels, classes, of_task(definition))

    def moved(self, before: Columns, after: Columns) -> str:
        """Which metric differs, with both values, or ''."""
        was, now = (measure(self.truth, p, self.classes, self.names) for p in (before, after))
        return closeness.metrics(was, now, self.truth if self.classes is None else None)


def blocks(
    reference: Callable[[Columns], Columns],
    train: Columns,
    test: Columns,
    features: Sequence[Feature],
    *,
    seed: int,
) -> list[Block]:
    """Held-out rows and generated rows with scikit-learn's predictions.

    A generated block that scikit-learn itself refuses, such as categories it has never seen, proves
    nothing and is left out.
    """
    found = [Block("held-out rows", test, reference(test))]
    for name, rows in _generated(train, features, np.random.default_rng(seed)):
        try:
            found.append(Block(name, rows, reference(rows)))
        except Exception as error:  # noqa: BLE001 - the author's estimator may raise anything
            _log.info(
                "parity block left out: the estimator refuses it",
                block=name,
                error=str(error)[:200],
            )
    return found


def compare(
    engine: Engine, reference: Sequence[Block], judgement: Judgement, *, tolerance: float
) -> Parity:
    """Whether the engine gives what scikit-learn gives, in every block. Held-out rows come first.

    Labels must be equal, probabilities within `tolerance`, numbers within `tolerance` times the
    spread of scikit-learn's predictions for the held-out rows, whose metrics must hardly move. An
    engine that raises is not equal.
    """
    worst, rows = 0.0, 0
    scale = _scale(reference) if judgement.classes is None else None
    for block in reference:
        rows += length(block.features)
        measured = judgement if block is reference[0] else None
        difference, complaint = _compared(engine, block, measured, scale, tolerance)
        worst = max(worst, difference)
        if complaint:
            return Parity(equal=False, rows=rows, difference=worst, complaint=complaint)
    return Parity(equal=True, rows=rows, difference=worst)


def _scale(reference: Sequence[Block]) -> Scale:
    """Of the held-out rows; of all rows where a few held-out ones have a single prediction."""
    predictions = [block.expected["prediction"] for block in reference]
    held_out = Scale.of(predictions[0])
    return held_out if held_out.spread else Scale.of(np.concatenate(predictions))


def _compared(
    engine: Engine,
    block: Block,
    judgement: Judgement | None,
    scale: Scale | None,
    tolerance: float,
) -> tuple[float, str]:
    """The largest difference in a block, and what is wrong with it, or ''."""
    try:
        predictions = engine.predict(block.features)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common class
        return 0.0, f"{block.name} can't be computed: {str(error)[:200]}"
    worst = 0.0
    for name, expected in block.expected.items():
        difference, complaint = _difference(expected, predictions[name], tolerance, scale)
        worst = max(worst, difference)
        if complaint:
            return worst, f"{name} of {block.name}: {complaint}"
    moved = judgement.moved(block.expected, predictions) if judgement else ""
    return worst, f"{block.name}: {moved}" if moved else ""


def _difference(
    expected: NDArray[Any], actual: NDArray[Any], tolerance: float, scale: Scale | None
) -> tuple[float, str]:
    if expected.shape != actual.shape:
        return np.inf, f"shape {actual.shape}, expected {expected.shape}"
    if expected.dtype.kind == "f":
        return closeness.numbers(expected, actual, tolerance, scale)
    return 0.0, closeness.labels(expected, actual)


def _generated(
    train: Columns, features: Sequence[Feature], random: np.random.Generator
) -> Iterator[tuple[str, Columns]]:
    # The order of the draws is part of what the seed stands for: new blocks come last.
    def rows(make: Callable[[NDArray[Any], Feature, np.random.Generator], NDArray[Any]]) -> Columns:
        return {f.name: make(train[f.name], f, random) for f in features}

    yield "values mixed across rows", rows(_mixed)
    yield "numbers between and around the known ones", rows(_spread)
    yield "least and greatest values", rows(_extremes)
    nulls = {
        f.name: None if f.dtype == "string" else np.nan
        for f in features
        if _nullable(f, train[f.name])
    }
    if nulls:
        yield "nulls", _changed(rows(_mixed), nulls, random)
    unseen = {f.name: UNSEEN for f in features if f.dtype == "string"}
    if unseen:
        yield "unseen categories", _changed(rows(_mixed), unseen, random)


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


def _range(values: NDArray[Any]) -> tuple[float, float]:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return (float(np.min(known)), float(np.max(known))) if len(known) else (0.0, 1.0)
