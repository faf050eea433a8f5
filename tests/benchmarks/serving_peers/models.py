"""Train the three models that every server serves, with the rows to ask for and their answers.

    python -m serving_peers.models FOLDER NAME…

A process of its own: neither the measuring process nor any server should carry what training loads.
Each model gets a folder: `model.joblib` for the peers, `ours/` for us, made as `mlplatform package`
makes it, and `rows.json`.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlplatform import settings
from mlplatform.trainer.package import package

TRAINED, ASKED = 4_000, 400
"""Rows to fit with, and rows that the servers are asked for."""
_DTYPES = {
    "f": "float64",
    "i": "int64",
    "b": "bool",
    "O": "string",
    "U": "string",
}


@dataclass(frozen=True)
class Trained:
    """A model fitted on a table, which ours is exported from, and the one that peers serve.

    They differ only in what they are given: a table with named columns, or a bare array where all
    columns are numbers, which is quicker in scikit-learn.
    """

    table: pd.DataFrame
    answers: Any
    ours: Any
    peers: Any
    columns: bool  # whether peers need a table


def linear() -> Trained:
    """30 floats, two classes."""
    table = _floats(30, seed=1)
    weights = np.random.default_rng(2).normal(size=30)
    answers = (table.to_numpy() @ weights > 0).astype(np.int64)
    ours = make_pipeline(
        ColumnTransformer([("scale", StandardScaler(), list(table))]), LogisticRegression()
    )
    return _fitted(table, answers, ours, make_pipeline(StandardScaler(), LogisticRegression()))


def boosting() -> Trained:
    """20 floats, a number."""
    table = _floats(20, seed=3)
    x = table.to_numpy()
    answers = 10 * np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 5 * x[:, 3]
    form = {"max_iter": 100, "random_state": 0}
    return _fitted(
        table,
        answers,
        make_pipeline(
            ColumnTransformer([("all", "passthrough", list(table))]),
            HistGradientBoostingRegressor(**form),
        ),
        HistGradientBoostingRegressor(**form),
    )


def forest() -> Trained:
    """13 columns of numbers, texts and bools, three classes."""
    draw, rows = np.random.default_rng(4), TRAINED + ASKED
    table = _floats(6, seed=5)
    table["items"] = draw.integers(1, 200, rows)
    table["weekday"] = draw.integers(0, 7, rows)
    for name, texts in {
        "carrier": ["north", "swift", "turtle"],
        "region": [f"r{number:02}" for number in range(20)],
        "size": ["small", "medium", "large", "huge"],
    }.items():
        table[name] = draw.choice(texts, rows).astype(object)
    table["express"] = draw.random(rows) < 0.3
    table["fragile"] = draw.random(rows) < 0.1
    score = table["f0"] + (table["carrier"] == "turtle") - table["express"] + table["items"] / 100
    answers = np.digitize(score, [0.0, 1.5]).astype(np.int64)
    texts = ["carrier", "region", "size"]
    numbers = [name for name in table if name not in texts]
    estimator = Pipeline(
        [
            (
                "columns",
                ColumnTransformer(
                    [
                        ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
                        ("numbers", "passthrough", numbers),
                    ],
                    sparse_threshold=0,
                ),
            ),
            ("forest", RandomForestClassifier(100, min_samples_leaf=5, random_state=0)),
        ]
    )
    estimator.fit(table[:TRAINED], answers[:TRAINED])
    return Trained(table, answers, estimator, estimator, columns=True)


def _floats(count: int, *, seed: int) -> pd.DataFrame:
    """Numbers as people send them: with four decimals, not with seventeen digits."""
    values = np.random.default_rng(seed).normal(scale=2, size=(TRAINED + ASKED, count)).round(4)
    return pd.DataFrame(values, columns=[f"f{number}" for number in range(count)])


def _fitted(table: pd.DataFrame, answers: Any, ours: Any, peers: Any) -> Trained:
    ours.fit(table[:TRAINED], answers[:TRAINED])
    peers.fit(table[:TRAINED].to_numpy(), answers[:TRAINED])
    return Trained(table, answers, ours, peers, columns=False)


def write(name: str, trained: Trained, folder: Path) -> None:
    """The files of one model."""
    folder.mkdir(parents=True)
    joblib.dump(trained.peers, folder / "model.joblib")
    asked = trained.table[TRAINED:]
    expected = trained.peers.predict(asked if trained.columns else asked.to_numpy())
    document = {
        "model": name,
        "columns": _columns(trained.table),
        "rows": asked.to_numpy(dtype=object).tolist(),
        "expected": expected.tolist(),
    }
    (folder / "rows.json").write_text(json.dumps(document))
    joblib.dump(trained.ours, folder / "ours.joblib")
    example = trained.table[:TRAINED].assign(target=trained.answers[:TRAINED])
    example.to_csv(folder / "example.csv", index=False)
    package(
        settings.load(),
        str(folder / "ours.joblib"),
        folder / "example.csv",
        folder / "ours",
        name=name,
        target="target",
    )


def _columns(table: pd.DataFrame) -> list[tuple[str, str]]:
    return [(str(name), _DTYPES[np.asarray(table[name]).dtype.kind]) for name in table]


def main(folder: str, *names: str) -> None:
    """Train and write these."""
    for make in (linear, boosting, forest):
        if make.__name__ in names:
            shutil.rmtree(Path(folder) / make.__name__, ignore_errors=True)
            write(make.__name__, make(), Path(folder) / make.__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
