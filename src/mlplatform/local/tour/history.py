"""Rows for the example pipelines: a history to train on, and later rows for live requests.

`history(name)` and `live(name)` never share a row. Both give rows as a user would send them: raw
columns, target, key and, where the pipeline has one, time; every value fits into JSON. Seeded: the
same rows each time.

Importing this takes a second and a lot of memory, for scikit-learn, so `examples` has a child
process do it. Run as a module it prints the rows of all pipelines:
{"<pipeline>": {"history": [row, …], "live": [row, …]}, …}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.random import Generator
from sklearn.datasets import load_breast_cancer, load_diabetes

from mlplatform.errors import UnknownName

Row = dict[str, Any]
SEED = 20
PARCELS, LIVE_PARCELS = 4_000, 600
DAYS = 240
"""Length of the parcels' history: from early summer into deep winter."""
BEGIN = datetime(2025, 6, 1, tzinfo=UTC)
DIABETES = (
    "age", "sex", "bmi", "blood_pressure", "total_cholesterol", "ldl", "hdl", "cholesterol_ratio",
    "log_triglycerides", "glucose",
)  # fmt: skip


def names() -> list[str]:
    """Pipelines that have example rows."""
    return sorted(_ROWS)


def history(name: str) -> Iterator[Row]:
    """Rows to import before the first training, in the order of their time. Raises UnknownName."""
    rows, live_rows = _rows(name)
    yield from rows[:-live_rows]


def live(name: str) -> Iterator[Row]:
    """Rows to send as requests, with the target that only later becomes known.

    Raises UnknownName.
    """
    rows, live_rows = _rows(name)
    yield from rows[-live_rows:]


def _rows(name: str) -> tuple[list[Row], int]:
    if name not in _ROWS:
        raise UnknownName(
            f"no example rows for {name}",
            field=name,
            fix=f"there are some for {', '.join(names())}",
        )
    make, live_rows = _ROWS[name]
    return make(), live_rows


def _breast_cancer() -> list[Row]:
    data = load_breast_cancer()
    columns = [
        str(name).replace(" error", "_error").replace(" ", "_") for name in data.feature_names
    ]
    rows = [
        dict(zip(columns, map(float, values), strict=True))
        | {"diagnosis": str(data.target_names[label]), "sample": f"wdbc-{number:03d}"}
        for number, (values, label) in enumerate(zip(data.data, data.target, strict=True))
    ]
    return _shuffled(rows)


def _diabetes() -> list[Row]:
    data = load_diabetes(scaled=False)
    rows = []
    for number, (values, progression) in enumerate(zip(data.data, data.target, strict=True)):
        row: Row = dict(zip(DIABETES, map(float, values), strict=True))
        row |= {
            "age": int(row["age"]),
            "sex": int(row["sex"]),
            "progression": float(progression),
            "patient": f"patient-{number:03d}",
        }
        rows.append(row)
    return _shuffled(rows)


def _shuffled(rows: list[Row]) -> list[Row]:
    """The sources are sorted in part; the rows that are held back must look like the others."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    return [rows[index] for index in order]


def _parcels() -> list[Row]:
    """Parcels in the order of their time.

    Winter brings frost and delays. The carrier `swift` gets worse from month to month, and gets a
    growing part of the parcels.
    """
    random = np.random.default_rng(SEED)
    count = PARCELS + LIVE_PARCELS
    days = np.sort(random.uniform(0, DAYS * count / PARCELS, count))
    return [_parcel(random, number, float(day)) for number, day in enumerate(days)]


def _parcel(random: Generator, number: int, day: float) -> Row:
    """The order in which values are drawn must not change: the rows would be others."""
    ordered = BEGIN + timedelta(seconds=int(day * 86_400))
    age = day / DAYS  # 0 at the beginning of the history, 1 at its end
    shares = [0.45 - 0.1 * age, 0.3 + 0.1 * age, 0.25]
    row: Row = {
        "carrier": str(random.choice(["north", "swift", "turtle"], p=shares)),
        "region": None,
        "distance_km": min(round(float(random.gamma(2.0, 150.0)), 1), 3_000.0),
        "weight_kg": None,
        "items": min(int(random.geometric(0.4)), 200),
        "weekday": ordered.weekday(),
        "temperature_c": round(20.0 - 22.0 * min(age, 1.2) + float(random.normal(0.0, 4.0)), 1),
        "express": bool(random.random() < 0.25),
    }
    if random.random() >= 0.08:
        row["region"] = str(random.choice(["al", "be", "ch", "da", "em"]))
    if random.random() >= 0.1:
        weight = 0.2 + row["items"] * float(random.gamma(1.5, 1.2))
        row["weight_kg"] = round(min(150.0, weight), 2)
    late = random.random() < 1.0 / (1.0 + np.exp(-_lateness(row, age)))
    return row | {
        "outcome": "late" if late else "on_time",
        "parcel": f"parcel-{number:05d}",
        "ordered_at": ordered.isoformat(),
    }


def _lateness(row: Row, age: float) -> float:
    """Log-odds of a late arrival."""
    carriers = {"north": -0.6, "swift": -1.2 + 1.8 * age, "turtle": 0.7}
    return float(
        carriers[row["carrier"]]
        + (0.5 if row["region"] == "em" else 0.0)
        - 1.6
        + row["distance_km"] / 260
        + 0.22 * max(0.0, -row["temperature_c"])
        + (0.7 if row["weekday"] >= 5 else 0.0)
        - 1.3 * row["express"]
    )


_ROWS: dict[str, tuple[Callable[[], list[Row]], int]] = {
    "breast-cancer": (_breast_cancer, 140),
    "diabetes": (_diabetes, 100),
    "late-delivery": (_parcels, LIVE_PARCELS),
}
"""Pipeline -> how its rows are made, and how many of the last are live."""


def main() -> None:
    """Print the rows."""
    made = {name: {"history": list(history(name)), "live": list(live(name))} for name in names()}
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
