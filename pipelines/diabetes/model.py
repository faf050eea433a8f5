"""Ridge regression: 342 patients don't carry more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """Unfitted; `alpha` is the strength of the regularisation."""
    return make_pipeline(StandardScaler(), Ridge(alpha=parameters.get("alpha", 3.0)))
