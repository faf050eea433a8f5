"""A fitted booster as its library's own file: trees, and no code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlplatform.trainer.ray.suited import format_of

ANSWERED_ROWS = 200
"""Training rows whose answers travel with a file: enough to see another reading of it."""


def written(estimator: Any) -> bytes:
    """The trees that its `predict` takes, without those after the best round."""
    if format_of(estimator) == "lightgbm":
        return str(estimator.booster_.model_to_string()).encode()
    booster = estimator.get_booster()
    if estimator.early_stopping_rounds is not None:
        # Who reads the file knows nothing of early stopping, and would take all trees.
        booster = booster[: estimator.best_iteration + 1]
        booster.set_attr(best_iteration=None, best_score=None)
    return bytes(booster.save_raw("ubj"))


def answers(estimator: Any, rows: pd.DataFrame) -> tuple[tuple[float, ...], ...]:
    """Probabilities of the classes, or the prediction, for the first rows."""
    some = rows.head(ANSWERED_ROWS)
    classifies = hasattr(estimator, "predict_proba")
    found = np.asarray(estimator.predict_proba(some) if classifies else estimator.predict(some))
    return tuple(map(tuple, found.reshape(len(some), -1).astype(np.float64).tolist()))


def classes(estimator: Any) -> tuple[str, ...]:
    """In the model's order; empty for a regression."""
    return tuple(map(str, getattr(estimator, "classes_", ())))
