"""Judge the gates: conditions that a version must meet before it may be proposed.

One rule for what could not be measured: on the whole test set it fails, on a slice it does not
count. A slice may well be too small to say anything; but when no slice counts, the whole does.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.pipeline import Gate, PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.trainer.metrics import better, score, undefined
from mlplatform.trainer.results import Comparison, Evaluation, Verdict
from mlplatform.trainer.slices import Slice, slices


def judge_gates(definition: PipelineDefinition, comparison: Comparison) -> list[Verdict]:
    """A verdict for every gate, and for each slice of the gates that have one."""
    return [verdict for gate in definition.gates for verdict in _gate(gate, comparison)]


def _gate(gate: Gate, comparison: Comparison) -> list[Verdict]:
    judge = _against_champion if gate.against else _within_bounds
    everything = Slice("", np.arange(len(comparison.labels), dtype=np.int64))
    if gate.slice is None:
        return [judge(gate, comparison, everything)]
    if gate.slice not in comparison.columns:
        raise InvalidInput(
            f"gate on {gate.metric}: '{gate.slice}' is neither a feature nor a raw column",
            field="gates",
        )
    parts = slices(gate.slice, comparison.columns[gate.slice])
    verdicts = [judge(gate, comparison, part) for part in parts]
    if any(verdict.counts for verdict in verdicts):
        return verdicts
    # All slices are too small to count: the gate must not hold without a single measurement.
    whole = judge(gate, comparison, everything)
    notes = (f"no value of {gate.slice} counts, so all rows do", whole.note)
    return [*verdicts, replace(whole, note="; ".join(note for note in notes if note))]


def _within_bounds(gate: Gate, comparison: Comparison, part: Slice) -> Verdict:
    value = _score(gate, comparison.labels, comparison.new, part.positions)
    measured = Verdict(
        metric=gate.metric,
        condition=gate.bounds,
        # Compared in this direction NaN fails both: an undefined metric is no pass.
        passed=(gate.min is None or value >= gate.min) and (gate.max is None or value <= gate.max),
        value=_known(value),
        bound=gate.min if gate.min is not None else gate.max,
        rows=len(part.positions),
        slice=part.name,
    )
    return _unless_too_small(_explained(measured, comparison.labels[part.positions]), part)


def _against_champion(gate: Gate, comparison: Comparison, part: Slice) -> Verdict:
    champion = comparison.champion
    # A champion that could not be measured may well be the better one: that is no pass.
    unmeasured = Verdict(
        metric=gate.metric,
        condition=f"as good as the champion{_tolerance(gate)}",
        passed=False,
        value=None,
        bound=None,
        rows=len(part.positions),
        slice=part.name,
        note=champion.why,
    )
    if champion.version is None:
        # Nothing serves yet, so there is nothing to be worse than. The first version passes, with
        # its value shown; gates with bounds are what holds it to a standard.
        value = _score(gate, comparison.labels, comparison.new, part.positions)
        return replace(unmeasured, passed=True, value=_known(value))
    if champion.evaluation is None:
        return unmeasured
    return _on_common_rows(gate, comparison, champion.evaluation, part)


def _on_common_rows(gate: Gate, comparison: Comparison, theirs: Evaluation, part: Slice) -> Verdict:
    """Both metrics over the rows that both have: over different rows they aren't comparable."""
    champion, labels = comparison.champion, comparison.labels
    common = np.intersect1d(part.positions, champion.positions)
    # The champion's predictions stand in the order of `positions`, which is ascending.
    at = np.searchsorted(champion.positions, common)
    mine = _score(gate, labels, comparison.new, common)
    best = _score(gate, labels[champion.positions], theirs, at)
    shown = "" if math.isnan(best) else f" ({best:.4g})"
    measured = Verdict(
        metric=gate.metric,
        condition=f"as good as version {champion.version}{shown}{_tolerance(gate)}",
        passed=better(gate.metric, mine, best, gate.tolerance),
        value=_known(mine),
        bound=_known(best),
        rows=len(common),
        slice=part.name,
        note=_coverage(common, part, champion.version),
    )
    if len(common) * 2 < len(part.positions):
        # Which rows lack the old features is not left to chance, so the rest is no fair sample.
        measured = replace(measured, passed=False, note=f"{measured.note}, too few to compare")
    return _unless_too_small(_explained(measured, labels[common]), part)


def _explained(measured: Verdict, labels: NDArray[Any]) -> Verdict:
    """With the reason in the note where the labels leave nothing to measure."""
    if measured.value is not None:
        return measured
    notes = (undefined(measured.metric, labels), measured.note)
    return replace(measured, note="; ".join(note for note in notes if note))


def _unless_too_small(measured: Verdict, part: Slice) -> Verdict:
    """The verdict, but a pass that does not count where a slice is too small to say anything.

    The whole test set (a part without a name) always counts.
    """
    if part.name and not part.counts:
        note = f"only {len(part.positions)} rows: does not count"
    elif part.name and measured.value is None:
        note = f"{measured.note}: does not count"
    else:
        return measured
    return replace(measured, passed=True, note=note, counts=False)


def _score(
    gate: Gate, labels: NDArray[Any], evaluation: Evaluation, positions: NDArray[np.int64]
) -> float:
    predictions = {name: values[positions] for name, values in evaluation.predictions.items()}
    return score(gate.metric, labels[positions], predictions, evaluation.classes)


def _tolerance(gate: Gate) -> str:
    return f" minus {gate.tolerance:g}" if gate.tolerance else ""


def _coverage(common: NDArray[np.int64], part: Slice, version: str | None) -> str:
    if len(common) == len(part.positions):
        return ""
    rows = f"{len(common)} of {len(part.positions)} rows"
    return f"on {rows}, those that have version {version}'s features"


def _known(value: float) -> float | None:
    """JSON and the report have no NaN: what is not defined is None."""
    return None if math.isnan(value) else value
