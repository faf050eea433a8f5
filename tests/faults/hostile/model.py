"""A small model."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def build(parameters: dict[str, Any]) -> Any:
    """Scaled, as the two features differ in size."""
    model = LogisticRegression(C=parameters.get("c", 1.0), max_iter=1000)
    return make_pipeline(StandardScaler(), model)
