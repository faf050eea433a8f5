"""What a call of a model in ONNX costs, with its checks.

    python tests/benchmarks/engine.py [--calls 200] [--rounds 7]

Rounds go through all cells in turn; each figure is the median over rounds of the processor time of
one call, in microseconds. Every call gets other rows: with the same ones again and again the
processor learns the way through the trees by heart, and they look three times as fast. "blocks" is
what serving hands over, "columns" what comes out of a features.py.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Column, Columns, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.engine import onnx
from mlplatform.engine.checked import CheckedEngine
from mlplatform.engine.onnx_compile import compile_onnx
from mlplatform.engine.skops import frame

SIZES = (1, 64, 100)
TABLES = 50  # with other rows, which are called in turn


def numbers(count: int) -> tuple[Feature, ...]:
    """So many features of float64."""
    return tuple(Feature(name=f"x{at}", dtype="float64") for at in range(count))


MIXED = (
    *numbers(3),
    Feature(name="calls", dtype="int64"),
    Feature(name="visits", dtype="int64"),
    Feature(name="new", dtype="bool"),
    Feature(name="plan", dtype="string"),
    Feature(name="city", dtype="string"),
)
ENCODED = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["plan", "city"]),
    remainder="passthrough",
    sparse_threshold=0,
)
MODELS: dict[str, tuple[Any, tuple[Feature, ...]]] = {
    "linear, 30 numbers": (make_pipeline(StandardScaler(), Ridge()), numbers(30)),
    "boosting, 20 numbers": (GradientBoostingRegressor(random_state=0), numbers(20)),
    "forest, 4 types": (
        make_pipeline(ENCODED, RandomForestRegressor(100, max_depth=8, random_state=0)),
        MIXED,
    ),
}


def drawn(features: tuple[Feature, ...], rows: int, seed: int) -> dict[str, Any]:
    """Random rows."""
    draw = np.random.default_rng(seed)
    values = {
        "float64": lambda: draw.normal(size=rows),
        "int64": lambda: draw.integers(0, 50, rows),
        "bool": lambda: draw.random(rows) > 0.5,
        "string": lambda: draw.choice(np.array(["a", "b", "c"], dtype=object), rows),
    }
    return {feature.name: values[feature.dtype]() for feature in features}


def engine(estimator: Any, features: tuple[Feature, ...]) -> CheckedEngine:
    """The fitted estimator, exported and loaded."""
    table = drawn(features, 3000, 0)
    labels = sum(values if values.dtype != object else values == "a" for values in table.values())
    estimator.fit(frame(table, features), np.asarray(labels, dtype=float))
    form = Signature(
        pipeline="toys",
        task="regression",
        inputs=tuple(Column(name=one.name, dtype=one.dtype) for one in features),
        features=features,
        outputs=(Output(name="prediction", dtype="float64"),),
        never_null=tuple(one.name for one in features if one.dtype == "float64"),
        format="onnx",
        model_file="model.onnx",
        features_digest="a" * 64,
        commit="c",
    )
    data = compile_onnx(estimator, features, ["prediction"], precision="float32")
    return CheckedEngine(onnx.load(data, form, ()), form)


def tables(features: tuple[Feature, ...], rows: int) -> Iterator[tuple[str, list[Columns]]]:
    """The same rows in both forms."""
    layout = BlockLayout(features)
    columns: list[Columns] = [drawn(features, rows, 1 + at) for at in range(TABLES)]
    yield "columns", columns
    yield (
        "blocks",
        [
            layout.table(
                [np.stack([one[name] for name in block.names], axis=1) for block in layout.blocks]
            )
            for one in columns
        ],
    )


def microseconds(model: CheckedEngine, given: list[Columns], calls: int) -> float:
    """Processor time of one call."""
    begun = time.thread_time()
    for at in range(calls):
        model.predict(given[at % TABLES])
    return (time.thread_time() - begun) / calls * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    cells = {
        (name, rows, form): (model, given)
        for name, (estimator, features) in MODELS.items()
        for model in [engine(estimator, features)]
        for rows in SIZES
        for form, given in tables(features, rows)
    }
    found: dict[tuple[str, int, str], list[float]] = {cell: [] for cell in cells}
    for _ in range(options.rounds):
        for cell, (model, given) in cells.items():
            found[cell].append(microseconds(model, given, options.calls))
    for (name, rows, form), times in found.items():
        print(f"{name:<22} {rows:>4} rows as {form:<8} {statistics.median(times):9.1f} us a call")


if __name__ == "__main__":
    main()
