"""The scikit-learn model as MLflow keeps it: python mlflow_model.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    mlflow.sklearn.save_model(
        joblib.load(FOLDER / "model.joblib"),
        FOLDER / "mlflow",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
