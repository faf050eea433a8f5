"""Files of estimators, as estimators. Only a child process runs this: others wrote them."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from mlplatform.engine.boosters.found import READERS, package_of
from mlplatform.engine.foreign.file import Classes, ForeignFile, classes_of, order_of, refuse_texts
from mlplatform.engine.skops_file import build
from mlplatform.errors import InvalidInput

_OPENERS: dict[str, str] = {
    "xgboost": "xgboost_file",
    "lightgbm": "lightgbm_file",
    "catboost": "catboost_file",
}


def opened(file: ForeignFile) -> tuple[Any, tuple[str, ...], Classes | None]:
    """The estimator, its features in its order, and its classes (None: it is a regression).

    Raises InvalidInput or IntegrityFailure for what is no such model, or does not fit the pipeline;
    and whatever a library raises for a damaged file.
    """
    estimator = _estimator(file)
    _require_task(estimator, file)
    names = getattr(estimator, "feature_names_in_", None)
    known = None if names is None else [str(name) for name in names]
    count = getattr(estimator, "n_features_in_", None)
    order = order_of(file, known, None if count is None else int(count))
    if package_of(estimator):
        refuse_texts(file, "boosters take")
    if file.task == "regression":
        return estimator, order, None
    return estimator, order, _classes(estimator, file)


def _estimator(file: ForeignFile) -> Any:
    if file.format in _OPENERS:
        module = import_module(f"mlplatform.engine.foreign.{_OPENERS[file.format]}")
        read: Callable[[ForeignFile], Any] = module.read
        return read(file)
    if file.format == "joblib":
        return import_module("joblib").load(io.BytesIO(file.data))
    return build(file.data, file.trusted)


def _require_task(estimator: Any, file: ForeignFile) -> None:
    kind = type(estimator).__name__
    fits = is_classifier if file.task == "classification" else is_regressor
    if not hasattr(estimator, "predict") or not fits(estimator):
        raise InvalidInput(f"a {kind} is not a model for a {file.task}", field="FILE")
    if file.task == "classification" and not hasattr(estimator, "predict_proba"):
        raise InvalidInput(f"a {kind} has no predict_proba, which serving needs", field="FILE")


def _classes(estimator: Any, file: ForeignFile) -> Classes:
    own = [name.item() if isinstance(name, np.generic) else name for name in estimator.classes_]
    whole = [int(name) if isinstance(name, bool | float) else name for name in own]
    if package_of(estimator):  # they bear the names that were given already
        return classes_of(file, whole, len(own))
    if file.classes:
        raise InvalidInput(
            f"a {type(estimator).__name__} names its classes itself: {own}", field="--classes"
        )
    return classes_of(file, whole, len(own))


def libraries(file: ForeignFile) -> None:
    """Import what reading and converting this file needs, so that limits count only the model."""
    if file.format in READERS:
        try:
            import_module(file.format)
        except ModuleNotFoundError as error:
            raise InvalidInput(
                f"{file.format} is not installed where trainings run",
                field="--format",
                fix=f"install mlplatform[{file.format}]",
            ) from error
    import_module("mlplatform.engine.onnx_compile")
    # Arrow, in which pandas keeps names of columns, reserves a gigabyte for its first byte.
    pd.DataFrame({"name": [0.0]})
