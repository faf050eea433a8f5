"""Conditions that a version must meet before it may be proposed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import Gate, PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.trainer.metrics import Classes, better, score
from mlplatform.trainer.slices import Slice, slices
from mlplatform.trainer.steps.compare import Champion


@dataclass(frozen=True)
class Comparison:
    """The test rows with the new version's answers and the champion's."""

    labels: NDArray[Any]
    answers: Columns
    classes: Classes | None
    champion: Champion
    champion_classes: Classes | None
    columns: Mapping[str, NDArray[Any]]  # features and raw columns that slices name


@dataclass(frozen=True)
class Verdict:
    """One gate, or one slice of it.

    `value` and `bound` are None where there was nothing to measure or compare with.
    """

    metric: str
    condition: str
    passed: bool
    value: float | None
    bound: float | None
    rows: int
    slice: str = ""
    note: str = ""
    counts: bool = True  # False: a slice that says nothing, and passes for that


def judge(definition: PipelineDefinition, judged: Comparison) -> list[Verdict]:
    """A verdict for every gate, and for each slice of the gates that have one."""
    return [verdict for gate in definition.gates for verdict in _gate(gate, judged)]


def describe(verdict: Verdict) -> str:
    """One line for a person: what was asked, what was found."""
    where = f" where {verdict.slice}" if verdict.slice else ""
    value = "not measurable" if verdict.value is None else f"{verdict.value:.4g}"
    return f"{verdict.metric}{where} is {value}, wanted {verdict.condition}" + (
        f" ({verdict.note})" if verdict.note else ""
    )


def _gate(gate: Gate, judged: Comparison) -> list[Verdict]:
    everything = Slice("", np.arange(len(judged.labels), dtype=np.int64))
    if gate.slice is None:
        return [_verdict(gate, judged, everything)]
    if gate.slice not in judged.columns:
        raise InvalidInput(
            f"gate on {gate.metric}: '{gate.slice}' is neither a feature nor a raw column",
            field="gates",
        )
    verdicts = [
        _verdict(gate, judged, part) for part in slices(gate.slice, judged.columns[gate.slice])
    ]
    if any(verdict.counts for verdict in verdicts):
        return verdicts
    whole = _verdict(gate, judged, everything)
    return [
        *verdicts,
        replace(
            whole,
            note=f"no value of {gate.slice} counts, so all rows do"
            + (f"; {whole.note}" if whole.note else ""),
        ),
    ]


def _verdict(gate: Gate, judged: Comparison, part: Slice) -> Verdict:
    return _against_champion(gate, judged, part) if gate.against else _bounded(gate, judged, part)


def _bounded(gate: Gate, judged: Comparison, part: Slice) -> Verdict:
    value = _score(gate, judged.labels, judged.answers, judged.classes, part.positions)
    bound = gate.min if gate.min is not None else gate.max
    condition = " and ".join(
        words
        for words in (
            f"at least {gate.min:g}" if gate.min is not None else "",
            f"at most {gate.max:g}" if gate.max is not None else "",
        )
        if words
    )
    if idle := _idle(part, value):
        return Verdict(
            gate.metric,
            condition,
            True,
            _known(value),
            bound,
            len(part.positions),
            part.name,
            idle,
            counts=False,
        )
    passed = (gate.min is None or value >= gate.min) and (
        gate.max is None or value <= gate.max
    )  # NaN fails both
    return Verdict(
        gate.metric, condition, passed, _known(value), bound, len(part.positions), part.name
    )


def _against_champion(gate: Gate, judged: Comparison, part: Slice) -> Verdict:
    champion = judged.champion
    tolerance = f" minus {gate.tolerance:g}" if gate.tolerance else ""
    condition = f"as good as the champion{tolerance}"
    if champion.version is None:
        value = _score(gate, judged.labels, judged.answers, judged.classes, part.positions)
        return Verdict(
            gate.metric,
            condition,
            True,
            _known(value),
            None,
            len(part.positions),
            part.name,
            champion.why,
        )
    if champion.answers is None or champion.positions is None:
        return Verdict(
            gate.metric, condition, False, None, None, len(part.positions), part.name, champion.why
        )
    common = np.intersect1d(part.positions, champion.positions)
    mine = _score(gate, judged.labels, judged.answers, judged.classes, common)
    theirs_at = np.searchsorted(champion.positions, common)
    theirs = _score(
        gate,
        judged.labels[champion.positions],
        champion.answers,
        judged.champion_classes,
        theirs_at,
    )
    bound = "" if math.isnan(theirs) else f" ({theirs:.4g})"
    condition = f"as good as version {champion.version}{bound}{tolerance}"
    note = _partly(common, part, champion.version)
    if idle := _idle(part, mine):
        return Verdict(
            gate.metric,
            condition,
            True,
            _known(mine),
            _known(theirs),
            len(common),
            part.name,
            idle,
            counts=False,
        )
    if len(common) * 2 < len(part.positions):
        return Verdict(
            gate.metric,
            condition,
            False,
            _known(mine),
            _known(theirs),
            len(common),
            part.name,
            f"{note}, too few to compare",
        )
    passed = better(gate.metric, mine, theirs, gate.tolerance)
    return Verdict(
        gate.metric, condition, passed, _known(mine), _known(theirs), len(common), part.name, note
    )


def _score(
    gate: Gate,
    labels: NDArray[Any],
    answers: Columns,
    classes: Classes | None,
    positions: NDArray[np.int64],
) -> float:
    return score(
        gate.metric,
        labels[positions],
        {name: values[positions] for name, values in answers.items()},
        classes,
    )


def _idle(part: Slice, value: float) -> str:
    """Why a slice does not count, or ''. The whole test set always counts."""
    if not part.name:
        return ""
    if not part.counts:
        return f"only {len(part.positions)} rows: does not count"
    return "not defined for these rows: does not count" if math.isnan(value) else ""


def _partly(common: NDArray[np.int64], part: Slice, version: str) -> str:
    if len(common) == len(part.positions):
        return ""
    return f"on {len(common)} of {len(part.positions)} rows, those that have version {version}'s features"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
