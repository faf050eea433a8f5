"""Features of one parcel, each row on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def engineer(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Strings without nulls, the rest as float64; a missing weight stays NaN for the model."""
    distance = columns["distance_km"].astype(np.float64)
    weight = columns["weight_kg"].astype(np.float64)
    return {
        "carrier": columns["carrier"],
        "region": np.array(
            ["unknown" if region is None else region for region in columns["region"]], dtype=object
        ),
        "distance_km": distance,
        "weight_kg": weight,
        "weight_per_item_kg": weight / columns["items"],
        "items": columns["items"].astype(np.float64),
        "weekend": (columns["weekday"] >= 5).astype(np.float64),
        "frost": np.maximum(0.0, -columns["temperature_c"].astype(np.float64)),
        "express": columns["express"].astype(np.float64),
    }
