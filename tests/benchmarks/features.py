"""What features.py costs a request, beyond its own work.

    python tests/benchmarks/features.py [--calls 20000] [--rounds 9]

Rounds go through all variants in turn; each figure is the median over rounds of the processor time
of one call, in microseconds. Three columns in, three features out, one row, as serving has it for a
request that comes alone. What the limit costs is the difference between the last two lines.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.features.code import FeatureSet, load

QUICK = b"""
def engineer(columns):
    return {"a": columns["a"] + 1, "b": columns["b"], "c": columns["c"] * 2}
"""
DEFINITION = PipelineDefinition.model_validate(
    {
        "name": "quick",
        "description": "Three numbers.",
        "task": "regression",
        "columns": [{"name": name, "dtype": "float64", "min": 0, "max": 9} for name in "abc"],
        "target": {"name": "y", "dtype": "float64"},
        "tuning": {"metric": "r2", "space": {"alpha": [1.0]}},
        "gates": [{"metric": "r2", "min": 0.0}],
        "approval": "auto",
    }
)


def made(source: bytes | None, limit_s: float | None) -> FeatureSet:
    """The features, loaded as serving does."""
    return load(DEFINITION, source, digest=None, limit_s=limit_s)


def variants() -> dict[str, Callable[[Columns], Any]]:
    """Name -> what one request calls."""
    module: dict[str, Any] = {}
    exec(QUICK, module)
    return {
        "the code alone": module["engineer"],
        "no features.py": made(None, 1.0).apply,
        "features.py, no limit": made(QUICK, None).apply,
        "features.py, with the limit": made(QUICK, 1.0).apply,
    }


def microseconds(call: Callable[[Columns], Any], row: Columns, calls: int) -> float:
    """Processor time of one call."""
    begun = time.thread_time()
    for _ in range(calls):
        call(row)
    return (time.thread_time() - begun) / calls * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    row: dict[str, NDArray[Any]] = {name: np.array([3.0]) for name in "abc"}
    calls = variants()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.rounds):
        for name, call in calls.items():
            found[name].append(microseconds(call, row, options.calls))
    for name, times in found.items():
        print(f"{name:<28} {statistics.median(times):8.2f} us a request")


if __name__ == "__main__":
    main()
