"""How much memory a training takes, step by step, beside its dataset as an Arrow table.

    python tests/benchmarks/training_memory.py [--rows 5000000] [--columns 20] [--jobs 1]
        [--booster xgboost|lightgbm|sklearn] [--trials 2] [--search random] [--texts 0]

The dataset is written as the data API would stream it, then a process of its own takes it through
the trainer's own steps, from the stream to the evaluation, with no database and no MLflow. Each
line holds the seconds of a step and the highest resident memory during it, beside what the process
held before it read anything, in MB and as a share of the Arrow table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlplatform import memory
from mlplatform.client.dataset import PIECE, read_stream
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.trials import Trials
from mlplatform.features.code import load
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.labelled_rows import from_arrow
from mlplatform.trainer.results import Pinned, SplitRows
from mlplatform.trainer.seen_rows import count
from mlplatform.trainer.steps.evaluate import evaluate
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.split import sides
from mlplatform.trainer.steps.train import train
from mlplatform.trainer.steps.tune import cross_validation, search
from mlplatform.trainer.steps.validate import validate

MODELS = {
    "xgboost": "from xgboost import XGBClassifier as Model\nMORE = {}",
    "lightgbm": "from lightgbm import LGBMClassifier as Model\nMORE = {'verbose': -1}",
    "sklearn": "from sklearn.ensemble import HistGradientBoostingClassifier as Model\nMORE = {}",
}
BUILD = "\n\ndef build(parameters):\n    return Model(**({TREES!r: 20} | MORE | parameters))\n"
BATCH = 65_536
PROGRESS = FeaturesProgress(
    digest="d", ready=True, waiting_requests=0, featured=1, quarantined=0, failure=None, mark=1
)


def write(path: Path, rows: int, columns: int, texts: int) -> None:
    """A labelled dataset with a binary target that follows from the first columns."""
    draw = np.random.default_rng(0)
    names = [f"x{at}" for at in range(columns)]
    words = np.array([f"kind {at}" for at in range(20)])
    sink = pa.OSFile(str(path), "wb")
    with sink, pa.ipc.new_stream(sink, schema(names, texts)) as stream:
        for begun in range(0, rows, BATCH):
            size = min(BATCH, rows - begun)
            numbers = draw.normal(size=(columns, size))
            left = (numbers[0] + numbers[1] * numbers[2] + draw.normal(size=size) > 0).astype(int)
            arrays = [
                pa.array(
                    [f"0198c0de-0000-7000-8000-{at:012x}" for at in range(begun, begun + size)]
                ),
                pa.array(np.zeros(size, np.int64)),
                pa.array(np.arange(begun, begun + size)).cast(pa.timestamp("us", "UTC")),
                pa.array(left),
                *(pa.array(column) for column in numbers),
                *(pa.array(draw.choice(words, size)) for _ in range(texts)),
            ]
            stream.write_batch(pa.record_batch(arrays, schema=schema(names, texts)))


def schema(names: list[str], texts: int) -> pa.Schema:
    """Of a `<pipeline>.training` dataset."""
    return pa.schema(
        [
            ("request_id", pa.string()),
            ("row", pa.int64()),
            ("event_time", pa.timestamp("us", "UTC")),
            ("y", pa.int64()),
            *((name, pa.float64()) for name in names),
            *((f"t{at}", pa.string()) for at in range(texts)),
        ]
    )


def pinned(given: argparse.Namespace, folder: Path) -> Pinned:
    """A pipeline with a booster of few trees: memory follows the rows, not the trees."""
    trees = "max_iter" if given.booster == "sklearn" else "n_estimators"
    source = MODELS[given.booster] + BUILD.replace("TREES!r", repr(trees))
    (folder / "model.py").write_text(source)
    columns = [{"name": f"x{at}", "dtype": "float64"} for at in range(given.columns)]
    columns += [{"name": f"t{at}", "dtype": "string"} for at in range(given.texts)]
    tuning = {"metric": "roc_auc", "space": {"max_depth": [3, 4, 5, 6]}, "trials": given.trials}
    if given.search != "random":
        tuning["search"] = given.search
    definition = PipelineDefinition.parse(
        {
            "name": "bench",
            "description": "Memory of a training.",
            "task": "classification",
            "columns": columns,
            "target": {"name": "y", "dtype": "int64"},
            "tuning": tuning | {"budget_s": 3600},
            "gates": [{"metric": "roc_auc", "min": 0.5}],
        }
    )
    features = load(definition, None, digest=None)
    files = PipelineFiles(definition, None, folder / "model.py", None)
    return Pinned(definition, "c" * 40, features.digest, files, features)


class Steps:
    """Prints the seconds and the highest memory of each step."""

    def __init__(self) -> None:
        self.before, self.table, self.peak = 0.0, 1.0, 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        Path("/proc/self/clear_refs").write_text("5")
        begun = time.perf_counter()
        yield
        most = _status("VmHWM") - self.before
        self.peak = max(self.peak, most)
        spent, rest = time.perf_counter() - begun, _status("VmRSS") - self.before
        line = {"step": name, "seconds": round(spent, 1), "peak_mb": round(most)}
        line |= {"after_mb": round(rest), "peak_share": round(most / self.table, 2)}
        print(json.dumps(line), flush=True)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1000


def measure(given: argparse.Namespace) -> None:
    """Take the dataset through the steps."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pipeline, steps = pinned(given, folder), Steps()
        build, features = builder(pipeline), pipeline.features.features
        build({})
        steps.before, steps.table = _status("VmRSS"), given.table_mb
        with steps.step("extract"):
            with Path(given.data).open("rb") as file:
                table, _ = read_stream(iter(lambda: file.read(PIECE), b""))
            columns = dict(zip(table.column_names, table.columns, strict=True))
            del table
            rows = from_arrow(columns, features, pipeline.definition.target)
            memory.give_back()
        with steps.step("validate"):
            validate(rows, pipeline, PROGRESS)
        with steps.step("split"):
            parts = SplitRows(*rows.divide(*sides(rows, pipeline.definition)))
            del rows
            memory.give_back()
        with steps.step("seen"):
            count(parts.train, parts.test)
        with steps.step("tune"):
            folds = cross_validation(build, parts.train, pipeline, jobs=given.jobs)
            found = search(folds, check=lambda: None)
            del folds
        with steps.step("train"):
            estimator = train(build, parts.train, pipeline, found.best)
        with steps.step("export"):
            trials = Trials(TrialLimits(120.0, 4 * 2**30), trusted=())
            opened, where = trials.open, folder / "model"
            model = export(estimator, pipeline, parts, where, (), open_model=opened)
        with steps.step("evaluate"):
            evaluate(model.engine, model.signature, parts.test, pipeline.definition)
        print(json.dumps({"step": "whole", "peak_share": round(steps.peak / steps.table, 2)}))


def main() -> None:
    """Write the dataset, then measure in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--texts", type=int, default=0)
    parser.add_argument("--booster", choices=sorted(MODELS), default="xgboost")
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--search", default="random")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--data", help="the dataset's file; one is written by default")
    parser.add_argument("--table-mb", type=float, default=0.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.table_mb:
        measure(given)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(given.data or f"{folder}/data.arrow")
        if not data.exists():
            write(data, given.rows, given.columns, given.texts)
        size = data.stat().st_size / 1e6
        print(json.dumps({"rows": given.rows, "table_mb": round(size)}), flush=True)
        again = [*sys.argv, f"--data={data}", f"--table-mb={size}"]
        subprocess.run([sys.executable, *again], check=True)


if __name__ == "__main__":
    main()
