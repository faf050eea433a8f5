"""What one row costs a booster in ONNX, beside the library's own predict.

    python tests/benchmarks/boosters.py [--trees 300] [--calls 300]

Each figure is the median time of a call with one row, in microseconds, on one thread. Every call
gets another row, so that the processor doesn't learn the way through the trees.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.engine import onnx
from mlplatform.engine.onnx_compile import compile_onnx, precisions
from mlplatform.engine.skops import frame

FEATURES = tuple(Feature(name=f"x{at}", dtype="float64") for at in range(20))
OUTPUTS = (
    Output(name="prediction", dtype="int64"),
    Output(name="probabilities", dtype="float64", width=2),
)


def signature() -> Signature:
    """Of a classification by twenty numbers."""
    return Signature(
        pipeline="bench",
        task="classification",
        inputs=(),
        features=FEATURES,
        outputs=OUTPUTS,
        classes=(0, 1),
        format="onnx",
        model_file="model.onnx",
        features_digest="d" * 64,
        commit="c" * 40,
    )


def median_us(call: Callable[[Any], Any], rows: list[Any], calls: int) -> float:
    """The median time of a call, each with the next row."""
    found = []
    for row in itertools.islice(itertools.cycle(rows), calls + 20):
        begun = time.perf_counter()
        call(row)
        found.append(time.perf_counter() - begun)
    return statistics.median(found[20:]) * 1e6


def main() -> None:
    """Fit, compile and ask each library's classifier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    table = np.random.default_rng(0).normal(size=(5000, len(FEATURES)))
    labels = (table[:, 0] + table[:, 1] * table[:, 2] > 0).astype(int)
    columns = {one.name: table[:, at] for at, one in enumerate(FEATURES)}
    every = [{name: v[at : at + 1] for name, v in columns.items()} for at in range(200)]
    frames = [frame(row, FEATURES) for row in every]
    models = (
        XGBClassifier(n_estimators=given.trees, n_jobs=1),
        LGBMClassifier(n_estimators=given.trees, n_jobs=1, verbose=-1),
        CatBoostClassifier(
            iterations=given.trees, thread_count=1, verbose=0, allow_writing_files=False
        ),
    )
    for model in models:
        model.fit(frame(columns, FEATURES), labels)
        names = [output.name for output in OUTPUTS]
        data = compile_onnx(model, FEATURES, names, precision=precisions(model)[0])
        engine = onnx.load(data, signature(), ())
        own = median_us(model.predict_proba, frames, given.calls)
        served = median_us(engine.predict, every, given.calls)
        print(f"{type(model).__name__:20} ONNX {served:8.0f} us   own predict_proba {own:8.0f} us")


if __name__ == "__main__":
    main()
