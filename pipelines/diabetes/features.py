"""The raw values, and two products that linear models can't make by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def engineer(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Ten raw values as numbers, and two products of two of them."""
    numbers = {name: values.astype(np.float64) for name, values in columns.items()}
    return {
        **numbers,
        "bmi_by_pressure": numbers["bmi"] * numbers["blood_pressure"] / 100.0,
        "age_of_second_sex": np.where(numbers["sex"] == 2.0, numbers["age"], 0.0),
    }
