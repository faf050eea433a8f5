"""Small tables and definitions for the steps of a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.features.code import load
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Pinned

MODEL = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def build(parameters):
    words = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        remainder="passthrough",
        sparse_threshold=0,
    )
    return make_pipeline(words, LogisticRegression(C=parameters.get("c", 1.0)))
"""


def document(**changes: Any) -> dict[str, Any]:
    """A classification of three columns."""
    whole: dict[str, Any] = {
        "name": "churn",
        "description": "Who will leave within a month.",
        "task": "classification",
        "columns": [
            {"name": "age", "dtype": "float64"},
            {"name": "calls", "dtype": "int64"},
            {"name": "plan", "dtype": "string"},
        ],
        "target": {"name": "left", "dtype": "string", "values": ["no", "yes"]},
        "tuning": {"metric": "roc_auc", "space": {"c": [0.01, 0.1, 1.0]}, "trials": 3},
        "gates": [{"metric": "roc_auc", "min": 0.5}],
    }
    return whole | changes


@pytest.fixture
def definition() -> Callable[..., PipelineDefinition]:
    """Make a definition: `definition(gates=[…])`."""
    return lambda **changes: PipelineDefinition.parse(document(**changes))


@pytest.fixture
def table() -> Callable[..., LabelledRows]:
    """Make a table whose labels follow from its features, mostly: `table(rows, seed=…)`."""

    def make(rows: int = 200, *, seed: int = 0) -> LabelledRows:
        draw = np.random.default_rng(seed)
        age, calls = draw.normal(40, 10, rows), draw.integers(0, 9, rows)
        plan = draw.choice(np.array(["basic", "gold"], dtype=object), rows)
        leans = (age - 40) / 10 + calls - 4 + (plan == "basic") + draw.normal(0, 1, rows)
        return LabelledRows(
            request_ids=np.array([f"{number:06d}" for number in range(rows)], dtype=object),
            rows=np.zeros(rows, dtype=np.int64),
            keys=np.full(rows, None, dtype=np.object_),
            times=np.datetime64("2026-01-01", "us")
            + draw.permutation(rows) * np.timedelta64(1, "h"),
            labels=np.where(leans > 0, "yes", "no").astype(object),
            features={"age": age, "calls": calls, "plan": plan},
        )

    return make


@pytest.fixture
def pinned(tmp_path: Path) -> Callable[..., Pinned]:
    """Make a pinned pipeline: `pinned(model=source of model.py, cases=…, **changes)`."""

    def make(*, model: str = MODEL, cases: str | None = None, **changes: Any) -> Pinned:
        definition = PipelineDefinition.parse(document(**changes))
        (tmp_path / "model.py").write_text(model)
        if cases is not None:
            (tmp_path / "cases.yaml").write_text(cases)
        files = PipelineFiles(
            definition,
            None,
            tmp_path / "model.py",
            tmp_path / "cases.yaml" if cases is not None else None,
        )
        features = load(definition, None, digest=None)
        return Pinned(
            definition=definition,
            commit="c" * 40,
            digest=features.digest,
            files=files,
            features=features,
        )

    return make
