"""One-hot strings and LightGBM, which takes missing numbers as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """Unfitted; `num_leaves` bounds the trees."""
    strings = (OneHotEncoder(handle_unknown="ignore"), ["carrier", "region"])
    columns = make_column_transformer(strings, remainder="passthrough", sparse_threshold=0)
    booster = LGBMClassifier(
        n_estimators=60, num_leaves=parameters.get("num_leaves", 15), n_jobs=1, verbose=-1
    )
    return make_pipeline(columns, booster)
