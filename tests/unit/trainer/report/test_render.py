"""The gate report: one file for people, whose texts come from authors and data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.render import render
from mlplatform.trainer.results import (
    CaseResult,
    Parts,
    Search,
    Trial,
    Verdict,
)

HOSTILE = "<script>alert('x')</script>"


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

    assert ["data:image/svg+xml;b"] * 3 == addresses


def test_a_report_says_how_the_run_ended(evidence: Callable[..., Evidence]) -> None:
    """The verdict, every section, and what was not measured as a dash."""
    good = render(evidence())
    bad = render(evidence(verdicts=[Verdict("f1", "at least 0.9", False, None, 0.9, 50)]))

    assert '<span class="good">passed</span>' in good
    assert [
        "Lineage",
        "Gates",
        "Metrics on the test rows",
        "Plots",
        "Slices",
        "Cases",
        "Tuning",
        "Export",
    ] == re.findall("<h2>(.*)</h2>", good)
    assert "Time was up after 2 of 3 combinations." in good
    assert "0.9, 0.8" in good
    assert "held-out rows (0.0%) have all features in common with a training row" in good
    assert "may flatter" not in good
    assert '<li class="bad">f1 is not measurable, required at least 0.9</li>' in bad
    assert '<td class="n">–</td><td class="n">0.9</td>' in bad


def test_a_report_warns_when_held_out_rows_were_seen_in_training(
    evidence: Callable[..., Evidence],
) -> None:
    """Figures on rows that the model may remember are marked, with the way out."""
    whole = evidence()
    old = whole.parts
    parts = Parts(old.train, old.train.take(np.arange(51)), old.columns, old.receipt)
    report = render(replace(whole, parts=parts))

    assert '<p class="bad">51 of 51 held-out rows (100.0%) have all features in common' in report
    assert "may flatter the model. With split.by: content such rows stay on one side." in report
