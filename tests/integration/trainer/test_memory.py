"""A training's memory, beside the dataset that it is about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "training_memory.py"
MOST = 3.0
"""Times the Arrow table. With more rows it is less: what libraries take for themselves stays."""


def test_a_training_holds_its_dataset_once() -> None:
    """From the stream to the evaluation, no step needs thrice the memory of the Arrow table."""
    told = subprocess.run(
        [sys.executable, BENCHMARK, "--rows", "400000", "--trials", "1"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [json.loads(line) for line in told.stdout.splitlines() if line.startswith('{"step"')]

    assert "evaluate" in [line["step"] for line in lines]
    assert {} == {line["step"]: line["peak_share"] for line in lines if line["peak_share"] > MOST}
