"""A model that ONNX can't take, from the history to an answered request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_child import serving

from mlplatform.client.serving import ServingClient
from mlplatform.engine.load import load, read_signature
from mlplatform.registry.store import ModelStore

STACKED = """
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder


def build(parameters):
    table = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["home"]),
        (KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), ["income"]),
        (make_pipeline(SimpleImputer(), FunctionTransformer(np.arctan)), ["income", "children"]),
        remainder="passthrough",
        sparse_threshold=0,
    )
    neighbours = KNeighborsClassifier(weights="distance")
    boosted = HistGradientBoostingClassifier(max_iter=10)
    return make_pipeline(
        table,
        StackingClassifier(
            [("near", neighbours), ("trees", boosted)], LogisticRegression(C=parameters["c"]), cv=2
        ),
    )
"""


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_model_out_of_a_skops_file_is_trained_promoted_and_answers(
    bank: Any, tmp_path: Path
) -> None:
    """Without any setting: what the trainer exported is what the serving process loads.

    Its answers are those of the file that was proven.
    """
    bank.apply(model=STACKED)
    outcome = bank.train()
    champion = bank.status().champion
    with ModelStore(bank.mlflow.url) as store:
        store.download(champion.artifacts, tmp_path / "model", champion.manifest_sha256)
    form = read_signature(tmp_path / "model")
    asked = [
        {"income": income, "children": 1, "member": True, "home": home, "city": "Bonn"}
        for income in (10.0, 45.5, 90.0)
        for home in ("own", "rent")
    ]
    features = {
        "income": np.array([row["income"] / 10 for row in asked]),
        "children": np.full(6, 1),
        "member": np.full(6, True),
        "home": np.array([row["home"] for row in asked], dtype=object),
    }
    proven = load(tmp_path / "model", form, trusted=()).predict(features)
    with serving(bank, tmp_path) as url, ServingClient(url, None) as client:
        answer = client.predict(bank.name, asked)

    assert ("champion", "skops") == (outcome.state, outcome.format)
    assert outcome.version == answer.version
    assert proven["prediction"].tolist() == answer.predictions
    assert proven["probabilities"][:, 1] == pytest.approx(
        np.array([of_classes["yes"] for of_classes in answer.probabilities or ()])
    )
