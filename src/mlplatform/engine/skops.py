"""Models that can't be compiled: scikit-learn, out of a skops file whose types settings allow.

Imported only when a model has this format; brings scikit-learn and pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Columns, Feature
from mlplatform.contracts.model import Signature
from mlplatform.engine.as_written import as_written
from mlplatform.engine.skops_file import build
from mlplatform.engine.table import prepare


class SkopsEngine:
    """A fitted scikit-learn estimator."""

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._estimator = estimator
        self._features = signature.features
        self._outputs = {output.name: output for output in signature.outputs}

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        rows = frame(features, self._features)
        # Overflows and the like show in the outputs; NumPy would warn of them on stderr.
        with np.errstate(all="ignore"):
            prediction = np.asarray(self._estimator.predict(rows)).reshape(-1)
            kind = NUMPY[self._outputs["prediction"].dtype]
            answer: dict[str, NDArray[Any]] = {
                "prediction": as_written(prediction)
                if kind is np.float64
                else prediction.astype(kind)
            }
            if "probabilities" in self._outputs:
                answer["probabilities"] = as_written(
                    np.asarray(self._estimator.predict_proba(rows))
                )
        return answer


def frame(features: Columns, declared: Sequence[Feature]) -> pd.DataFrame:
    """The table for fit and predict: one column per declared feature, text as Python strings.

    It shares the features' memory: of millions of rows there must be no second copy.
    """
    columns = {
        name: pd.Series(values, dtype=values.dtype, copy=False)
        for name, values in prepare(features, declared).items()
    }
    return pd.DataFrame(columns, copy=False)


def load(data: bytes, signature: Signature, trusted: Sequence[str]) -> SkopsEngine:
    """The engine of the bytes of a model.skops.

    `trusted` names types beyond those of `skops_trust`. Raises IntegrityFailure that names every
    type which is neither.
    """
    return SkopsEngine(build(data, trusted), signature)
