"""Models that were made elsewhere, as files of every format that can be imported."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import joblib
import lightgbm
import mlflow.xgboost
import numpy as np
import pandas as pd
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def write(kind: str, folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    """The file, and probabilities of the rows as the library itself gives them."""
    return _WRITERS[kind](folder, rows, labels)


def _codes(labels: Any) -> Any:
    return np.unique(labels, return_inverse=True)[1]


def _linear(rows: Any, labels: Any) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)


def _skops(folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    model = _linear(rows, labels)
    (folder / "model.skops").write_bytes(skops.io.dumps(model))
    return folder / "model.skops", model.predict_proba(rows)


def _joblib(folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    model = _linear(rows, labels)
    joblib.dump(model, folder / "model.joblib")
    return folder / "model.joblib", model.predict_proba(rows)


def _onnx(folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    """A table of float32, and a ZipMap at the end, as skl2onnx writes them."""
    table = rows.to_numpy(np.float32)
    model = _linear(table, labels)
    (folder / "model.onnx").write_bytes(to_onnx(model, table[:1]).SerializeToString())
    return folder / "model.onnx", model.predict_proba(table)


def _xgboost(folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    """Features in another order than the pipeline's, by their names in the file."""
    turned = rows[rows.columns[::-1]]
    model = xgboost.XGBClassifier(n_estimators=8, max_depth=3).fit(turned, _codes(labels))
    model.save_model(folder / "model.json")
    return folder / "model.json", model.predict_proba(turned)


def _lightgbm(folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(rows, _codes(labels))
    model.booster_.save_model(folder / "model.txt")
    return folder / "model.txt", model.predict_proba(rows)


def _catboost(folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    model = catboost.CatBoostClassifier(iterations=8, verbose=False, allow_writing_files=False)
    model.fit(rows, labels).save_model(folder / "model.cbm")
    return folder / "model.cbm", model.predict_proba(rows)


def _mlflow(folder: Path, rows: pd.DataFrame, labels: Any) -> tuple[Path, Any]:
    model = xgboost.XGBClassifier(n_estimators=8, max_depth=3).fit(rows, _codes(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, of its type hints
        mlflow.xgboost.save_model(model, folder / "logged", pip_requirements=["xgboost"])
    return folder / "logged", model.predict_proba(rows)


_WRITERS: dict[str, Callable[[Path, pd.DataFrame, Any], tuple[Path, Any]]] = {
    "onnx": _onnx,
    "skops": _skops,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "mlflow": _mlflow,
    "joblib": _joblib,
}
FORMATS = tuple(_WRITERS)
