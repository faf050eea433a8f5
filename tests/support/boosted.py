"""Boosters trained on small tables, exported, and compared with their library's own predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import opened
import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.engine.boosters.found import READERS, boosters, package_of
from mlplatform.engine.load import load
from mlplatform.engine.skops import frame
from mlplatform.features.code import load as load_features
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Parts, Pinned
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.train import train

BUILD = {
    "xgboost": "from xgboost import XGB{0} as Booster\nSMALL = dict(n_estimators=8, n_jobs=1)\n",
    "lightgbm": "from lightgbm import LGBM{0} as Booster\nSMALL = dict(n_estimators=8, n_jobs=1)\n",
    "catboost": "from catboost import CatBoost{0} as Booster\n"
    "SMALL = dict(iterations=8, thread_count=1)\n",
}
ALONE = "def build(parameters):\n    return Booster(**SMALL, {0})\n"
IN_PIPELINE = """
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
def build(parameters):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]), (StandardScaler(), ["age"]),
        remainder="passthrough", sparse_threshold={1},
    )
    return make_pipeline(columns, Booster(**SMALL, {0}))
"""
TARGETS: dict[str, Any] = {
    "binary": {"name": "left", "dtype": "string", "values": ["no", "yes"]},
    "classes": {"name": "left", "dtype": "int64"},
    "regression": {"name": "left", "dtype": "float64"},
}


def served_equal(model: str, task: str, rows: LabelledRows, folder: Path, **changes: Any) -> Any:
    """The exported model, after its answers were compared with the library's."""
    pinned = pinned_table(folder, model, task, rows, **changes)
    estimator = train(builder(pinned), rows, pinned, {})
    parts = Parts(rows, rows, columns={}, receipt=Any)  # type: ignore[arg-type]  # not read
    served = export(estimator, pinned, parts, folder / "model", (), open_model=opened.here)
    asked = _around(rows, estimator)
    answers = load(served.folder, served.signature, trusted=()).predict(asked)
    table = frame(asked, pinned.features.features)
    own = np.asarray(estimator.predict(table)).reshape(-1)
    if task == "regression":
        assert answers["prediction"] == pytest.approx(own.astype(float), rel=1e-6, abs=1e-9)
    else:
        assert own.tolist() == answers["prediction"].tolist()
        probabilities = estimator.predict_proba(table)
        assert np.abs(probabilities - answers["probabilities"]).max() < 1e-6
    return served


def _around(rows: LabelledRows, estimator: Any) -> dict[str, Any]:
    """The rows; and at every split of a booster alone, and next to it in both sizes of numbers."""
    splits = [rows.features["age"]]
    booster = boosters(estimator)[0]
    if booster is estimator:
        model = READERS[package_of(booster) or ""](booster)
        found = {
            split
            for tree in model.trees
            for at, split in zip(tree.features, tree.splits, strict=True)
            if at == 0
        }
        splits.append(np.array(sorted(found)[:200], dtype=np.float64))
    age = np.concatenate(splits)
    narrow = age.astype(np.float32)
    every = [age, narrow, *(np.nextafter(age, way) for way in (-np.inf, np.inf))]
    every += [np.nextafter(narrow, np.float32(way)) for way in (-np.inf, np.inf)]
    ages = np.concatenate([one.astype(np.float64) for one in every])
    table = {name: np.resize(values, len(ages)) for name, values in rows.features.items()}
    return table | {"age": ages}


def table(
    count: int, task: str, *, nulls: bool = False, bits: int = 64, texts: bool = False
) -> LabelledRows:
    draw = np.random.default_rng(0)
    age, calls = draw.normal(40, 10, count), draw.integers(0, 9, count)
    leans = (age - 40) / 10 + calls - 4 + draw.normal(0, 1, count)
    age = age.astype(np.float32).astype(np.float64) if bits == 32 else age
    if nulls:
        age[draw.random(count) < 0.2] = np.nan
    plan = draw.choice(np.array(["basic", "gold"], dtype=object), count)
    labels = {
        "binary": np.where(leans > 0, "yes", "no").astype(object),
        "classes": np.array([3, 5, 9])[np.digitize(leans, [-1.0, 1.0])],
        "regression": np.round(np.abs(leans), 3) + 0.1,
    }[task]
    return LabelledRows(
        request_ids=np.arange(count).astype(str).astype(object),
        rows=np.zeros(count, dtype=np.int64),
        keys=np.full(count, None, dtype=np.object_),
        times=np.full(count, np.datetime64("2026-01-01", "us")),
        labels=labels,
        features={"age": age, "calls": calls} | ({"plan": plan} if texts else {}),
    )


def pinned_table(folder: Path, model: str, task: str, rows: LabelledRows, **changes: Any) -> Pinned:
    (folder / "model.py").write_text(model)
    kinds = {"f": "float64", "i": "int64", "O": "string"}
    metric = "r2" if task == "regression" else "accuracy"
    definition = PipelineDefinition.parse({
        "name": "churn",
        "description": "Who will leave within a month.",
        "task": "regression" if task == "regression" else "classification",
        "columns": [
            {"name": name, "dtype": kinds[values.dtype.kind], "nullable": values.dtype.kind == "f"}
            for name, values in rows.features.items()
        ],
        "target": TARGETS[task],
        "tuning": {"metric": metric},
        "gates": [{"metric": metric, "min": 0.0}],
        **changes,
    })  # fmt: skip
    features = load_features(definition, None, digest=None)
    files = PipelineFiles(definition, None, folder / "model.py", None)
    return Pinned(
        definition=definition,
        commit="c" * 40,
        digest=features.digest,
        files=files,
        features=features,
    )
