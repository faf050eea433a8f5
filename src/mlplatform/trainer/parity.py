"""Does the exported model give what scikit-learn gives, and refuse what it refuses?

On the held-out rows, and on generated ones that reach further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns, length
from mlplatform.contracts.pipeline import Metric, PipelineDefinition
from mlplatform.engine.blame import first_refused, reason_of
from mlplatform.engine.checked import CheckedEngine
from mlplatform.errors import InvalidInput, UnfitModel
from mlplatform.features.code import FeatureSet
from mlplatform.trainer import closeness
from mlplatform.trainer.closeness import Scale
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.metrics import Classes, measure, of_task
from mlplatform.trainer.outcome import Outcome, outcome, taken
from mlplatform.trainer.proof_rows import Reach, generated

_REFUSABLE = 48  # rows of a block of which scikit-learn refuses some


@dataclass(frozen=True)
class Block:
    """Rows that are compared, and what scikit-learn makes of each of them."""

    name: str
    features: Columns
    expected: Outcome
    reach: Reach = "usual"


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
    features: FeatureSet,
    *,
    seed: int,
    fine: bool = False,
) -> list[Block]:
    """Held-out rows and generated rows with scikit-learn's predictions and refusals.

    `fine` adds numbers next to the known ones, for models that split there.
    Raises InvalidInput when it refuses a held-out row, or predicts several targets.
    """
    found = [Block("held-out rows", test, _held_out(reference, test))]
    for name, reach, rows in generated(train, features, np.random.default_rng(seed), fine=fine):
        asked = _askable(reference, rows) if reach == "usual" else rows
        found.append(Block(name, asked, outcome(reference, asked), reach))
    return found


def _askable(reference: Callable[[Columns], Columns], rows: Columns) -> Columns:
    """The rows; the first ones where some are refused, each of which costs a call or two."""
    try:
        reference(rows)
    except Exception:  # noqa: BLE001 - the author's estimator may raise anything
        return {name: values[:_REFUSABLE] for name, values in rows.items()}
    return rows


def _held_out(reference: Callable[[Columns], Columns], test: Columns) -> Outcome:
    try:
        answers = reference(test)
    except Exception as error:  # the author's estimator may raise anything
        row = first_refused(lambda rows, _: reference(rows), test)
        raise InvalidInput(
            f"model.py: the estimator refuses held-out row {row}: {reason_of(error)}",
            field="model.py",
        ) from error
    if len(answers["prediction"]) != length(test):
        raise InvalidInput(
            "model.py: the estimator predicts several numbers per row",
            field="model.py",
            fix="write one pipeline per target",
        )
    return Outcome(np.ones(length(test), dtype=np.bool_), answers)


def compare(
    engine: CheckedEngine, reference: Sequence[Block], judgement: Judgement, *, tolerance: float
) -> Parity:
    """Whether the engine gives what scikit-learn gives, in every block. Held-out rows come first.

    Labels must be equal, probabilities within `tolerance`, numbers within `tolerance` times the
    spread of scikit-learn's predictions for the held-out rows, whose metrics must hardly move. A
    row that one of them refuses must be refused by the other as well; only beyond what the
    definition declares may the engine refuse more.
    """
    worst, rows = 0.0, 0
    scale = scale_of(reference, judgement)
    for block in reference:
        rows += length(block.features)
        measured = judgement if block is reference[0] else None
        difference, complaint = _compared(engine, block, measured, scale, tolerance)
        worst = max(worst, difference)
        if complaint:
            return Parity(equal=False, rows=rows, difference=worst, complaint=complaint)
    return Parity(equal=True, rows=rows, difference=worst)


def scale_of(reference: Sequence[Block], judgement: Judgement) -> Scale | None:
    """Of a regression's predictions for the held-out rows; None for a classification.

    Of all usual rows where a few held-out ones have a single prediction.
    """
    if judgement.classes is not None:
        return None
    usual = [block.expected.answers for block in reference if block.reach == "usual"]
    predictions = [answers["prediction"] for answers in usual if answers]
    held_out = Scale.of(predictions[0])
    return held_out if held_out.spread else Scale.of(np.concatenate(predictions))


def differing(
    expected: Columns, actual: Columns, tolerance: float, scale: Scale | None, *, of: str = "rows"
) -> tuple[float, str]:
    """The largest difference between answers, and what is wrong with it, or ''."""
    worst = 0.0
    for name, values in expected.items():
        difference, complaint = _difference(values, actual[name], tolerance, scale)
        worst = max(worst, difference)
        if complaint:
            return worst, f"{name} of {of}: {complaint}"
    return worst, ""


def _compared(
    engine: CheckedEngine,
    block: Block,
    judgement: Judgement | None,
    scale: Scale | None,
    tolerance: float,
) -> tuple[float, str]:
    """The largest difference in a block, and what is wrong with it, or ''.

    Only held-out rows are judged, NaN and infinity too. Of others some may be refused, by both.
    """
    if judgement is None:
        return _answered(engine, block, scale, tolerance)
    try:
        predictions = engine.raw.predict(block.features)
    except Exception as error:
        if isinstance(error, UnfitModel):  # a limit has ended it
            raise
        return 0.0, f"{block.name} can't be computed: {reason_of(error)}"
    expected = block.expected.answers
    worst, complaint = differing(expected, predictions, tolerance, scale, of=block.name)
    if complaint:
        return worst, complaint
    moved = judgement.moved(expected, predictions)
    return worst, f"{block.name}: {moved}" if moved else ""


def _answered(
    engine: CheckedEngine, block: Block, scale: Scale | None, tolerance: float
) -> tuple[float, str]:
    expected, found = block.expected, outcome(engine.predict, block.features)
    rows = len(found.answered)
    if extra := int(np.sum(found.answered & ~expected.answered)):
        reason = f"answers {extra} that scikit-learn refuses: {expected.reason}"
        return np.inf, f"{block.name}: of {rows} rows it {reason}"
    lost = int(np.sum(expected.answered & ~found.answered))
    if lost and block.reach != "limit":
        return np.inf, f"{block.name}: {lost} of {rows} rows can't be computed: {found.reason}"
    both = found.answered[expected.answered]
    if not both.any():
        return 0.0, ""
    own = taken(expected.answers, both)
    return differing(own, found.answers, tolerance, scale, of=block.name)


def _difference(
    expected: NDArray[Any], actual: NDArray[Any], tolerance: float, scale: Scale | None
) -> tuple[float, str]:
    if expected.shape != actual.shape:
        return np.inf, f"shape {actual.shape}, expected {expected.shape}"
    if expected.dtype.kind == "f":
        return closeness.numbers(expected, actual, tolerance, scale)
    return 0.0, closeness.labels(expected, actual)
