"""The evidence of a small run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import opened
import pytest

from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.report.evidence import Evidence
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
    model = export(
        train(builder(made), parts.train, made, {}),
        made,
        parts,
        tmp_path / "model",
        (),
        open_model=opened.here,
    )
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
