"""One-hot strings, filled numbers, a forest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

STRINGS = ["carrier", "region"]
NUMBERS = ["distance_km", "weight_kg", "weight_per_item_kg", "items", "weekend", "frost", "express"]


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """Unfitted; `max_depth` and `min_samples_leaf` bound the trees.

    One thread: serving has one core.
    """
    columns = ColumnTransformer(
        [
            ("strings", OneHotEncoder(handle_unknown="ignore"), STRINGS),
            ("numbers", SimpleImputer(strategy="median"), NUMBERS),
        ]
    )
    forest = RandomForestClassifier(
        n_estimators=60,
        max_depth=parameters.get("max_depth", 6),
        min_samples_leaf=parameters.get("min_samples_leaf", 5),
        random_state=0,
    )
    return Pipeline([("columns", columns), ("forest", forest)])
