"""What a gate report must say, beside what the data API knows."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from mlplatform.contracts.gate_report import GateReport
from mlplatform.contracts.pipeline import Gate
from mlplatform.dataapi.proof import parse, require_passed
from mlplatform.errors import Refused

REPORT: dict[str, Any] = {
    "pipeline": "churn",
    "run": "1",
    "commit": "c",
    "features_digest": "d",
    "manifest_sha256": "0" * 64,
    "receipt": "r",
    "dataset_sha256": "1" * 64,
    "champion": "3",
    "required": [],
    "gates": [],
    "cases": [],
    "passed": True,
}


def judged(value: float | None, **changes: Any) -> dict[str, Any]:
    """A gate on accuracy that passed."""
    found = {"metric": "accuracy", "condition": "at least 0.5", "passed": True, "value": value}
    return {**found, "bound": 0.5, "slice": "", "counts": True, **changes}


def report(gate: Gate, *gates: dict[str, Any], **changes: Any) -> GateReport:
    """A report of one gate."""
    required = [gate.model_dump(mode="json")]
    data = json.dumps({**REPORT, "required": required, "gates": gates, **changes}).encode()
    return parse(data, hashlib.sha256(data).hexdigest())


BOUND, CHAMPION = Gate(metric="accuracy", min=0.5), Gate(metric="mae", against="champion")
COMPARED = {"metric": "mae", "condition": "as good as version 3 (2)", "bound": 2.0}
SLICED = Gate(metric="accuracy", min=0.5, slice="plan")


@pytest.mark.parametrize(
    ("gate", "gates", "changes"),
    [
        (BOUND, [judged(0.5)], {}),
        (CHAMPION, [judged(2.0, **COMPARED)], {}),
        (CHAMPION, [judged(None, **COMPARED)], {"champion": None}),
        (SLICED, [judged(0.5, slice="plan=a"), judged(0.1, slice="plan=b", counts=False)], {}),
    ],
)
def test_a_report_whose_figures_hold_passes(
    gate: Gate, gates: list[dict[str, Any]], changes: dict[str, Any]
) -> None:
    """At the bound, as good as the champion, the first version, and small slices."""
    assert require_passed(report(gate, *gates, **changes), [gate]) is None


@pytest.mark.parametrize(
    ("gate", "gates"),
    [
        (BOUND, [judged(0.4)]),
        (BOUND, [judged(None)]),
        (BOUND, [judged(0.9, passed=False)]),
        (BOUND, [judged(0.9, slice="plan=a")]),
        (BOUND, [judged(0.9, condition="at least 0.1")]),
        (BOUND, [judged(0.9, counts=False)]),
        (CHAMPION, [judged(2.1, **COMPARED)]),
        (CHAMPION, [judged(None, **COMPARED)]),
        (SLICED, [judged(0.9, slice="plan=a"), judged(0.4, slice="plan=b")]),
    ],
)
def test_a_report_whose_figures_do_not_hold_is_refused(
    gate: Gate, gates: list[dict[str, Any]]
) -> None:
    """Saying `passed` does not help where the figures say otherwise."""
    with pytest.raises(Refused):
        require_passed(report(gate, *gates), [gate])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"passed": true}',
        json.dumps({**REPORT, "passed": 1}).encode(),
        json.dumps(REPORT)[:-1].encode() + b', "passed": true}',
        json.dumps({**REPORT, "gates": [judged(float("inf"))]}).encode(),
    ],
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    """Nothing, another shape, a missing field, another type, a key given twice, infinity."""
    with pytest.raises(Refused, match="gate report"):
        parse(data, hashlib.sha256(data).hexdigest())
