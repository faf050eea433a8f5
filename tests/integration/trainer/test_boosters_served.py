"""A booster from the history to an answered request, and what the serving process has of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_child import serving

from mlplatform.client.serving import ServingClient
from mlplatform.engine.load import load, read_signature
from mlplatform.registry.store import ModelStore

MODEL = """
from {source}
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
def build(parameters):
    words = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["home"]),
        remainder="passthrough",
        sparse_threshold=0,
    )
    return make_pipeline(words, Booster({options}))
"""
LIBRARIES = {
    "xgboost": ("xgboost import XGBClassifier as Booster", "n_estimators=20, n_jobs=1"),
    "lightgbm": ("lightgbm import LGBMClassifier as Booster", "n_estimators=20, n_jobs=1"),
    "catboost": ("catboost import CatBoostClassifier as Booster", "iterations=20, thread_count=1"),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_booster_is_trained_promoted_and_answers(bank: Any, tmp_path: Path, library: str) -> None:
    """Its answers are those of the ONNX model that was proven, and they are the file's."""
    source, options = LIBRARIES[library]
    bank.apply(model=MODEL.format(source=source, options=options))
    outcome = bank.train()
    champion = bank.status().champion
    with ModelStore(bank.mlflow.url) as store:
        store.download(champion.artifacts, tmp_path / "model", champion.manifest_sha256)
    incomes = (10.0, 45.5, 90.0)
    asked = [
        {"income": income, "children": 1, "member": True, "home": "rent", "city": "Bonn"}
        for income in incomes
    ]
    features = {
        "income": np.array(incomes) / 10,
        "children": np.full(3, 1),
        "member": np.full(3, True),
        "home": np.full(3, "rent", dtype=object),
    }
    form = read_signature(tmp_path / "model")
    proven = load(tmp_path / "model", form, trusted=()).predict(features)
    with serving(bank, tmp_path) as url, ServingClient(url, None) as client:
        answer = client.predict(bank.name, asked)

    assert ("champion", "onnx") == (outcome.state, outcome.format)
    assert outcome.version == answer.version
    assert proven["prediction"].tolist() == answer.predictions
    assert proven["probabilities"][:, 1] == pytest.approx(
        np.array([of_classes["yes"] for of_classes in answer.probabilities or ()])
    )
