"""Rows for the example pipelines: a history to learn from, and later rows that play the live traffic.

`history(name)` and `live(name)` never share a row. Both give rows as a user would send them: raw
columns, target, key and, where the pipeline has one, time; every value fits into JSON. Seeded: the
same rows each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.random import Generator

from mlplatform.errors import UnknownName

Row = dict[str, Any]
SEED = 20
PARCELS, LIVE_PARCELS = 4_000, 600
DAYS = 240
"""Length of the parcels' history: from early summer into deep winter."""
BEGIN = datetime(2025, 6, 1, tzinfo=UTC)
DIABETES = (
    "age", "sex", "bmi", "blood_pressure", "total_cholesterol", "ldl", "hdl", "cholesterol_ratio", "log_triglycerides", "glucose",
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
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415  (a second to import; only the demo needs it)

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
    from sklearn.datasets import load_diabetes  # noqa: PLC0415  (a second to import; only the demo needs it)

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
    """The sources are sorted in part; what is held back as live must look like the rest."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    return [rows[index] for index in order]


def _parcels() -> list[Row]:
    """Winter brings frost and lateness; the carrier `swift` gets worse from month to month, and gets more of the parcels."""
    random = np.random.default_rng(SEED)
    count = PARCELS + LIVE_PARCELS
    days = np.sort(random.uniform(0, DAYS * count / PARCELS, count))
    return [_parcel(random, number, float(day)) for number, day in enumerate(days)]


def _parcel(random: Generator, number: int, day: float) -> Row:
    ordered = BEGIN + timedelta(seconds=int(day * 86_400))
    age = day / DAYS  # 0 at the begin of the history, 1 at its end
    carrier = str(
        random.choice(["north", "swift", "turtle"], p=[0.45 - 0.1 * age, 0.3 + 0.1 * age, 0.25])
    )
    distance = round(float(random.gamma(2.0, 150.0)), 1)
    items = int(random.geometric(0.4))
    temperature = round(20.0 - 22.0 * min(age, 1.2) + float(random.normal(0.0, 4.0)), 1)
    express = bool(random.random() < 0.25)
    region = None if random.random() < 0.08 else str(random.choice(["al", "be", "ch", "da", "em"]))
    weight = (
        None
        if random.random() < 0.1
        else round(min(150.0, 0.2 + items * float(random.gamma(1.5, 1.2))), 2)
    )
    worse = {"north": -0.6, "swift": -1.2 + 1.8 * age, "turtle": 0.7}[carrier] + (
        0.5 if region == "em" else 0.0
    )
    score = (
        worse
        - 1.6
        + distance / 260
        + 0.22 * max(0.0, -temperature)
        + (0.7 if ordered.weekday() >= 5 else 0.0)
        - 1.3 * express
    )
    late = random.random() < 1.0 / (1.0 + np.exp(-score))
    return {
        "carrier": carrier,
        "region": region,
        "distance_km": min(distance, 3_000.0),
        "weight_kg": weight,
        "items": min(items, 200),
        "weekday": ordered.weekday(),
        "temperature_c": temperature,
        "express": express,
        "outcome": "late" if late else "on_time",
        "parcel": f"parcel-{number:05d}",
        "ordered_at": ordered.isoformat(),
    }


_ROWS: dict[str, tuple[Callable[[], list[Row]], int]] = {
    "breast-cancer": (_breast_cancer, 140),
    "diabetes": (_diabetes, 100),
    "late-delivery": (_parcels, LIVE_PARCELS),
}
"""Pipeline -> how its rows are made, and how many of the last are live."""
