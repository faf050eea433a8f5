"""A text that features.py must be able to read, from apply to an answered request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from serving_child import serving

from mlplatform.client.serving import ServingClient
from mlplatform.engine import known_rows
from mlplatform.errors import InvalidInput
from mlplatform.registry.store import ModelStore

FEATURES = """
from datetime import date
import numpy as np


def engineer(columns):
    days = [float(date.fromisoformat(day).weekday()) for day in columns["ordered_on"]]
    return {"income": columns["income"], "weekday": np.array(days)}
"""
PLAIN = """
def engineer(columns):
    return {"income": columns["income"]}
"""
MODEL = """
from sklearn.linear_model import LogisticRegression


def build(parameters):
    return LogisticRegression(max_iter=1000)
"""
ROW = {"income": 50.0, "ordered_on": "2025-10-09"}
CASES = """
rows: {typical: {income: 50, ordered_on: "2025-10-09"}}
cases:
  - {name: it is never sure, kind: bounds, row: typical, max: 1, of: "yes"}
"""


def _files(features: str, **day: Any) -> dict[str, Any]:
    columns = [
        {"name": "income", "dtype": "float64", "min": 0, "max": 1000},
        {"name": "ordered_on", "dtype": "string"} | day,
    ]
    return {
        "features": features,
        "model": MODEL,
        "cases": CASES,
        "columns": columns,
        "validation": {"max_quarantined_share": 1.0},  # the bank's own rows have no such column
    }


def _dated(history: Any, *, seed: int) -> list[dict[str, Any]]:
    rows = history(120, seed=seed)
    return [row | {"ordered_on": f"2025-{1 + at % 12:02d}-09"} for at, row in enumerate(rows)]


def _answer(bank: Any, home: Path) -> tuple[str, str]:
    """The version that answers a date, and why another text is refused."""
    with serving(bank, home) as url, ServingClient(url, None) as client:
        answer = client.predict(bank.name, [ROW])
        with pytest.raises(InvalidInput) as refusal:
            client.predict(bank.name, [ROW, ROW | {"ordered_on": "soon"}])
    return answer.version, str(refusal.value)


def test_a_date_with_an_example_is_applied_trained_and_served(
    bank: Any, history: Any, tmp_path: Path
) -> None:
    """Without the example `apply` names line, row and the way out; the pattern guards the rows."""
    with pytest.raises(InvalidInput) as refusal:
        bank.apply(**_files(FEATURES))
    bank.apply(**_files(FEATURES, pattern=r"\d{4}-\d\d-\d\d", example="2025-01-31"))
    rows = _dated(history, seed=7)
    bank.bring([*rows[:-1], rows[-1] | {"ordered_on": "9 October"}])
    with bank.client("admin") as client:
        reasons = [row.reason for row in client.quarantine(bank.name) if "October" in row.reason]
    outcome = bank.train()
    version, reason = _answer(bank, tmp_path)

    assert [True] * 3 == [
        words in str(refusal.value)
        for words in ("features.py, line 7", "for the row income=250.0, ordered_on='a'", "example:")
    ]
    assert [r"'9 October' does not match \d{4}-\d\d-\d\d"] == reasons
    assert ("champion", outcome.version) == (outcome.state, version)
    assert re.search(r"row 1, column ordered_on.*'soon'.*Invalid isoformat", reason)


def test_a_date_without_an_example_is_tried_on_the_history(
    bank: Any, history: Any, tmp_path: Path
) -> None:
    """Code that comes when rows are there needs none; the model's folder takes some along."""
    bank.apply(**_files(PLAIN))
    bank.bring(_dated(history, seed=8))
    bank.apply(**_files(FEATURES))
    outcome = bank.train()
    champion = bank.status().champion
    with ModelStore(bank.mlflow.url) as store:
        store.download(champion.artifacts, tmp_path / "model", champion.manifest_sha256)
    version, _ = _answer(bank, tmp_path)

    assert ("champion", outcome.version) == (outcome.state, version)
    assert (tmp_path / "model" / known_rows.NAME).exists()


def test_code_that_a_row_of_the_history_breaks_is_refused_by_apply(bank: Any, history: Any) -> None:
    """It takes all generated rows, and not one that has been there."""
    bank.apply(**_files(PLAIN))
    bank.bring([row | {"ordered_on": ""} for row in history(3, seed=9)])
    with bank.client("admin") as client:
        before = client.pipeline(bank.name).features_digest
    first = PLAIN.replace("return", "[day[0] for day in columns['ordered_on']]; return")
    with pytest.raises(InvalidInput, match=r"line 3: IndexError.*row of the history: income="):
        bank.apply(**_files(first))
    with bank.client("admin") as client:
        after = client.pipeline(bank.name).features_digest

    assert before == after
