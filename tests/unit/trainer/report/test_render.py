"""The gate report: one file for people, whose texts come from authors and data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.render import render
from mlplatform.trainer.results import (
    CaseResult,
    Champion,
    Comparison,
    Parts,
    Search,
    Trial,
    Verdict,
)
from mlplatform.trainer.steps.evaluate import evaluate
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.split import hold_out
from mlplatform.trainer.steps.train import train

HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def evidence(table: Any, pinned: Any, tmp_path: Path) -> Callable[..., Evidence]:
    """Make the evidence of a small run: `evidence(**changes)`."""
    made = pinned()
    receipt = Receipt(
        id="r1",
        dataset="churn.training",
        query=DatasetQuery(),
        caller="trainer",
        server="standby-1",
        server_role="standby",
        timeline=1,
        lsn="0/1",
        lag_bytes=0,
        as_of=7,
        rows=200,
        sha256="a" * 64,
        read_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    train_rows, test_rows = hold_out(table(), made.definition)
    parts = Parts(train_rows, test_rows, test_rows.features, receipt)
    model = export(train(builder(made), parts.train, made, {}), made, parts, tmp_path / "model", ())
    new = evaluate(model.engine, model.signature, parts.test, made.definition)
    compared = Comparison(parts.test.labels, new, Champion(None, why="no champion yet"), {})
    whole = Evidence(
        pinned=made,
        parts=parts,
        search=Search(
            (Trial({"c": 1.0}, (0.9, 0.8)), Trial({"c": -1.0}, failure="odd")), 3, {"c": 1.0}
        ),
        model=model,
        comparison=replace(compared, columns=parts.columns),
        verdicts=[Verdict("roc_auc", "at least 0.5", True, 0.9, 0.5, 50)],
        cases=[CaseResult("a quiet one stays", "exact", "")],
        run_id="run-1",
        reason="drift",
    )
    return lambda **changes: replace(whole, **changes)


def test_texts_are_escaped(evidence: Callable[..., Evidence]) -> None:
    """A reason, a case, a note or a failure that holds HTML is shown as text, and never run."""
    report = render(
        evidence(
            reason=HOSTILE,
            cases=[CaseResult(HOSTILE, "exact", HOSTILE)],
            verdicts=[Verdict("roc_auc", HOSTILE, False, None, None, 50, HOSTILE, HOSTILE)],
            search=Search((Trial({"c": HOSTILE}, failure=HOSTILE),), 1, {}),
        )
    )

    assert "<script" not in report
    assert report.count("&lt;script&gt;") >= 8


def test_a_report_needs_no_other_file(evidence: Callable[..., Evidence]) -> None:
    """Plots lie in the page itself, and nothing is loaded from elsewhere."""
    addresses = re.findall(r'(?:src|href)="([^"]{20})', render(evidence()))

    assert addresses == ["data:image/svg+xml;b"] * 3


def test_a_report_says_how_the_run_ended(evidence: Callable[..., Evidence]) -> None:
    """The verdict, every section, and what was not measured as a dash."""
    good = render(evidence())
    bad = render(evidence(verdicts=[Verdict("f1", "at least 0.9", False, None, 0.9, 50)]))

    assert '<span class="good">passed</span>' in good
    assert re.findall("<h2>(.*)</h2>", good) == [
        "Lineage",
        "Gates",
        "Metrics on the test rows",
        "Plots",
        "Slices",
        "Cases",
        "Tuning",
        "Export",
    ]
    assert "Time was up after 2 of 3 combinations." in good
    assert "0.9, 0.8" in good
    assert '<li class="bad">f1 is not measurable, required at least 0.9</li>' in bad
    assert '<td class="n">–</td><td class="n">0.9</td>' in bad
