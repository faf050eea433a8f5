"""Behavioural cases on the exported model: what will really serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import opened

from mlplatform.trainer.estimator import builder
from mlplatform.trainer.results import Parts
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.run_cases import run_cases
from mlplatform.trainer.steps.train import train

CASES = """
rows: {typical: {age: 40, calls: 4, plan: basic}}
cases:
  - name: calls never keep anybody
    kind: monotone
    row: typical
    column: calls
    values: [0, 4, 8]
    direction: up
    of: "yes"
  - {name: a quiet one stays, kind: exact, row: typical, with: {calls: 0, age: 20}, expect: "no"}
  - {name: nobody ever leaves, kind: bounds, row: typical, with: {calls: 8}, of: "yes", max: 0.01}
  - name: a plan nobody has is no error
    kind: bounds
    row: typical
    with: {plan: silver}
    of: "yes"
    min: 0
    max: 1
  - {name: a call is a number, kind: exact, row: typical, with: {calls: many}, expect: "no"}
"""


def test_cases_judge_the_exported_model(table, pinned, tmp_path: Path) -> None:
    """Cases that hold pass, others say what was found; rows of a wrong type fail with that."""
    made = pinned(cases=CASES)
    rows, receipt = table(), cast("Any", None)  # no receipt is read
    parts = Parts(rows, rows, columns={}, receipt=receipt)
    exported = export(
        train(builder(made), rows, made, {}),
        made,
        parts,
        tmp_path / "model",
        (),
        open_model=opened.here,
    )
    results = run_cases(made, exported)

    assert [True, True, False, True, False] == [result.passed for result in results]
    assert "is not in" in results[2].complaint
    assert "calls" in results[4].complaint


def test_a_case_that_gets_no_answer_fails_with_the_reason(table, pinned, tmp_path: Path) -> None:
    """A number beyond float32 is refused, as serving would; the other cases are still judged."""
    cases = """
    rows: {typical: {age: 40, calls: 4, plan: basic}}
    cases:
      - {name: old, kind: exact, row: typical, with: {age: 1.0e+39}, expect: "no"}
      - {name: quiet, kind: exact, row: typical, with: {calls: 0, age: 20}, expect: "no"}
    """
    made, rows, receipt = pinned(cases=cases), table(), cast("Any", None)
    parts = Parts(rows, rows, columns={}, receipt=receipt)
    exported = export(
        train(builder(made), rows, made, {}),
        made,
        parts,
        tmp_path / "model",
        (),
        open_model=opened.here,
    )
    old, quiet = run_cases(made, exported)

    assert quiet.passed
    assert "no answer: age: row 0: feature age is 1e+39" in old.complaint
