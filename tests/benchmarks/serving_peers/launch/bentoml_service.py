"""BentoML over a scikit-learn model: bentoml serve bentoml_service:Sklearn.

Arrays are its own type; tables go in as a list of objects, because adaptive batching and pandas
parameters fail together (see docs).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml
import joblib
import numpy as np
import pandas as pd

_MODEL = Path(os.environ["BENCHMARK_MODEL"])


@bentoml.service(workers=1)
class Sklearn:
    """One worker, no batching window."""

    def __init__(self) -> None:
        self._model = joblib.load(_MODEL / "model.joblib")

    @bentoml.api
    def predict(self, instances: list[Any]) -> dict[str, Any]:
        """Rows to answers."""
        table = pd.DataFrame(instances) if isinstance(instances[0], dict) else np.array(instances)
        return {"predictions": self._model.predict(table).tolist()}
