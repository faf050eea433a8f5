"""How many rows a second `predict` of the Python client gets, beside plain requests of JSON.

    python tests/benchmarks/client.py [--rows 100000] [--rounds 3]

One process of `mlplatform serve` with an outbox, a logistic regression with 8 columns: six numbers
and two texts. Measured in turn in one run: the client with a frame, the same with nulls among the
texts (which can't go as bytes), and one httpx connection that posts plain rows, 100 at a time.
Compare ratios, not rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mlplatform

NUMBERS = [f"x{number}" for number in range(5)] + ["items"]
TEXTS = ["carrier", "region"]
PLAIN_ROWS = 100
ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith("MLPLATFORM")}


def table(rows: int, seed: int, *, nulls: bool) -> pd.DataFrame:
    """Rows of eight columns; `nulls` makes a tenth of the regions null."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({name: draw.normal(size=rows) for name in NUMBERS[:-1]})
    frame["items"] = draw.integers(1, 50, rows)
    frame["carrier"] = draw.choice(["north", "swift", "turtle"], rows)
    frame["region"] = draw.choice(["be", "em", "zh"], rows)
    return frame.assign(region=frame["region"].where(draw.random(rows) > 0.1 * nulls, None))


def package(folder: Path) -> None:
    """Train a model, and make the model folder `parcels`."""
    frame = table(1_000, 1, nulls=True)
    columns = make_column_transformer(
        (StandardScaler(), NUMBERS), (OneHotEncoder(handle_unknown="ignore"), TEXTS)
    )
    late = frame["x0"] + frame["items"] / 50 > 0.5
    model = make_pipeline(columns, LogisticRegression()).fit(frame.fillna({"region": "?"}), late)
    joblib.dump(model, folder / "model.joblib")
    frame.assign(target=late).to_csv(folder / "rows.csv", index=False)
    words = ["package", "model.joblib", "parcels", "--example", "rows.csv"]
    command(words, folder).wait()


def command(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """`mlplatform` with these words, started; it is quiet."""
    argv = [sys.executable, "-m", "mlplatform", *words]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(argv, cwd=folder, env=ENVIRONMENT, stdout=quiet, stderr=quiet)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of that model, which stores all requests."""
    port = "18080"
    process = command(["serve", "parcels", "--port", port, "--outbox", "kept"], folder)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        yield url
    finally:
        process.terminate()
        process.wait()


def until(holds: Callable[[], bool]) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server does not start")


def plain(url: str, rows: list[dict[str, Any]]) -> int:
    """Plain rows over one connection, 100 at a time; how many were answered."""
    with httpx.Client(base_url=url) as http:
        answers = [
            http.post("/v1/models/parcels/predict", json={"rows": rows[first : first + PLAIN_ROWS]})
            for first in range(0, len(rows), PLAIN_ROWS)
        ]
    return sum(len(answer.raise_for_status().json()["predictions"]) for answer in answers)


def measure(url: str, rows: int, rounds: int) -> None:
    """Print rows a second of each, and the ratio."""
    frame, gaps = (table(rows, 2, nulls=nulls) for nulls in (False, True))
    listed = frame.to_dict("records")
    seconds: dict[str, list[float]] = {}
    with mlplatform.connect(url, serving_url=url) as platform:
        ways: dict[str, Callable[[], int]] = {
            f"httpx, {PLAIN_ROWS} plain rows a request": lambda: plain(url, listed),
            "client, a frame": lambda: len(platform.predict("parcels", frame)),
            "client, nulls among the texts": lambda: len(platform.predict("parcels", gaps)),
        }
        for number in range(rounds + 1):
            for name, way in ways.items():
                began = time.perf_counter()
                assert rows == way()
                if number:  # the first round warms up both sides
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
    first = statistics.median(next(iter(seconds.values())))
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:<36} {rows / median:>10,.0f} rows/s   x {first / median:.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlplatform-bench-") as name:
        package(Path(name))
        with served(Path(name)) as url:
            measure(url, chosen.rows, chosen.rounds)


if __name__ == "__main__":
    main()
