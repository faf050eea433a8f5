"""The evidence of a run: whether it passed, and the document whose digest is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest

from mlplatform.errors import Refused
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.results import CaseResult, Verdict


def test_a_run_passes_when_all_gates_and_cases_hold(evidence: Callable[..., Evidence]) -> None:
    """Nothing to complain about is a pass."""
    found = evidence()

    assert (True, []) == (found.passed, found.complaints)
    assert found.require_passed() is None


def test_every_gate_and_case_that_fails_is_named(evidence: Callable[..., Evidence]) -> None:
    """The refusal has a line for each, and says where the report is."""
    found = evidence(
        verdicts=[Verdict("f1", "at least 0.9", False, 0.5, 0.9, 50, "plan=gold", "why not")],
        cases=[CaseResult("a quiet one stays", "exact", "yes is not no")],
    )
    with pytest.raises(Refused) as refused:
        found.require_passed()

    assert "churn is not proposed" in str(refused.value)
    assert "f1 where plan=gold is 0.5, required at least 0.9 (why not)" in str(refused.value)
    assert "case 'a quiet one stays': yes is not no" in str(refused.value)
    assert "run-1" in (refused.value.fix or "")


def test_the_digest_is_that_of_the_document(evidence: Callable[..., Evidence]) -> None:
    """gates.json is the same each time, says what was judged, and holds no NaN."""
    found = evidence(verdicts=[Verdict("f1", "at least 0.9", False, None, 0.9, 50)])
    document = json.loads(found.document())

    assert found.digest() == hashlib.sha256(found.document()).hexdigest()
    assert [
        {
            "metric": "f1",
            "condition": "at least 0.9",
            "passed": False,
            "value": None,
            "bound": 0.9,
            "rows": 50,
            "slice": "",
            "note": "",
            "counts": True,
        }
    ] == document["gates"]
    assert {
        "pipeline",
        "run",
        "commit",
        "features_digest",
        "manifest_sha256",
        "receipt",
        "dataset_sha256",
        "rows",
        "seen_rows",
        "metrics",
        "champion",
        "champion_metrics",
        "required",
        "gates",
        "cases",
        "parity",
        "passed",
    } == document.keys()
