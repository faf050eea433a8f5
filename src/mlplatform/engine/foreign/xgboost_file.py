"""XGBoost's .json and .ubj. Imported only where XGBoost is in use already."""

from __future__ import annotations

from typing import Any

import numpy as np
from xgboost import Booster, XGBRegressor

from mlplatform.engine.boosters.xgboost_labels import LabelledXGBClassifier
from mlplatform.engine.foreign.file import ForeignFile, classes_of
from mlplatform.errors import InvalidInput

_CLASSIFIES = ("binary:logistic", "multi:softprob")


def read(file: ForeignFile) -> Any:
    """The estimator. Raises what XGBoost raises for a damaged file."""
    if not file.data.startswith(b"{"):
        raise InvalidInput(
            "this is neither a .json nor a .ubj of XGBoost",
            field="FILE",
            fix="write it with save_model('model.json'); the old binary format is not read",
        )
    booster = Booster()
    booster.load_model(bytearray(file.data))
    classifies = file.task == "classification"
    estimator = LabelledXGBClassifier() if classifies else XGBRegressor()
    booster.set_attr(scikit_learn=None)  # an entry of wrappers that XGBClassifier reads as its own
    estimator.load_model(bytearray(booster.save_raw("ubj")))
    if (estimator.objective in _CLASSIFIES) != classifies:
        raise InvalidInput(
            f"its objective is {estimator.objective}, the pipeline is a {file.task}", field="FILE"
        )
    if isinstance(estimator, LabelledXGBClassifier):
        estimator._labels = np.asarray(  # noqa: SLF001 - our own class
            classes_of(file, None, int(estimator.n_classes_)), dtype=object
        )
        if not file.classes and file.target.dtype != "string":
            estimator._labels = estimator._labels.astype(np.int64)  # noqa: SLF001
    return estimator
