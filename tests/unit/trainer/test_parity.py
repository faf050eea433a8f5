"""Both refuse: rows that scikit-learn has no answer for, and the export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import opened
import pytest

from mlplatform.engine.predictor import Predictor
from mlplatform.engine.skops import SkopsEngine
from mlplatform.errors import InvalidInput
from mlplatform.features.code import load as load_features
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.outcome import outcome
from mlplatform.trainer.proof_rows import generated
from mlplatform.trainer.results import Parts
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.split import hold_out
from mlplatform.trainer.steps.train import train

NULLABLE = [
    {"name": "age", "dtype": "float64", "nullable": True},
    {"name": "calls", "dtype": "int64"},
    {"name": "plan", "dtype": "string", "values": ["basic", "gold"]},
]
MODEL = """
from sklearn.compose import make_column_transformer
from sklearn.ensemble import *
from sklearn.linear_model import *
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import *
def build(parameters):
    words = make_column_transformer(
        ({encoder}, ["plan"]), remainder="passthrough", sparse_threshold=0
    )
    return make_pipeline(words, {last})
"""
ENCODERS = ["OneHotEncoder()", "OneHotEncoder(handle_unknown='ignore')", "OrdinalEncoder()"]
LASTS = [
    "LogisticRegression()",
    "GradientBoostingClassifier(n_estimators=5)",
    "RandomForestClassifier(n_estimators=5)",
    "HistGradientBoostingClassifier(max_iter=5)",
]
LOGARITHM = b"""
import numpy as np
def engineer(columns):
    return {"log_age": np.log(columns["age"]), "calls": columns["calls"], "plan": columns["plan"]}
"""


def _trained(pinned: Any, rows: Any, folder: Path) -> tuple[Any, Any, Any]:
    """What scikit-learn answers with, and the exported model."""
    receipt: Any = None  # not read
    parts = Parts(*hold_out(rows, pinned.definition), columns={}, receipt=receipt)
    estimator = train(builder(pinned), parts.train, pinned, {})
    model = export(estimator, pinned, parts, folder / "model", (), open_model=opened.here)
    return SkopsEngine(estimator, model.signature).predict, model, parts


@pytest.mark.filterwarnings("ignore")  # of iterations that don't converge on toys
@pytest.mark.parametrize("last", LASTS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_served_model_refuses_what_scikit_learn_refuses(
    encoder: str, last: str, table, pinned, tmp_path: Path
) -> None:
    """Row for row: nulls without history, unseen texts, the ends of numbers; and no more.

    Only a number beyond float32 may be refused by the export alone.
    """
    made = pinned(model=MODEL.format(encoder=encoder, last=last), columns=NULLABLE)
    reference, model, parts = _trained(made, table(), tmp_path)
    draw = np.random.default_rng(5)
    for name, reach, rows in generated(parts.train.features, made.features, draw):
        some = {each: values[:40] for each, values in rows.items()}
        theirs, ours = (outcome(call, some) for call in (reference, model.engine.predict))
        wrong = ours.answered != theirs.answered
        if reach == "limit":
            wrong &= np.abs(some["age"]) <= np.finfo(np.float32).max

        assert [] == np.flatnonzero(wrong).tolist(), name


def test_a_null_of_a_feature_that_no_history_holds_is_refused_by_name(
    table, pinned, tmp_path: Path
) -> None:
    """Trees in ONNX would step over it; the signature carries the name, so that serving knows."""
    made = pinned(model=MODEL.format(encoder=ENCODERS[1], last=LASTS[1]), columns=NULLABLE)
    _, model, _ = _trained(made, table(), tmp_path)

    assert ("onnx", ("age",)) == (model.signature.format, model.signature.never_null)


def test_a_text_that_scikit_learn_refuses_is_refused_by_name(table, pinned, tmp_path: Path) -> None:
    """An ordinal encoder in ONNX would answer it."""
    made = pinned(model=MODEL.format(encoder=ENCODERS[2], last=LASTS[0]), columns=NULLABLE)
    _, model, _ = _trained(made, table(), tmp_path)

    assert ("onnx", {"plan": ("basic", "gold")}) == (
        model.signature.format,
        model.signature.known_texts,
    )


def test_a_model_that_takes_nulls_goes_on_taking_them(table, pinned, tmp_path: Path) -> None:
    """Nothing is forbidden where both answer alike."""
    made = pinned(model=MODEL.format(encoder=ENCODERS[1], last=LASTS[3]), columns=NULLABLE)
    _, model, _ = _trained(made, table(), tmp_path)

    assert ((), {}) == (model.signature.never_null, model.signature.known_texts)


@pytest.mark.parametrize("form", ["onnx", "skops"])
@pytest.mark.parametrize("last", LASTS[:2])
def test_a_logarithm_of_a_negative_number_is_no_answer(
    form: str, last: str, table, pinned, tmp_path: Path
) -> None:
    """features.py makes NaN of what its column allows; whatever the format, the row is refused."""
    made = pinned(model=MODEL.format(encoder=ENCODERS[1], last=last), export={"format": form})
    features = load_features(made.definition, LOGARITHM, digest=None)
    made = replace(made, features=features, digest=features.digest)
    rows = table()
    rows = replace(rows, features=features.apply(rows.features))
    _, model, _ = _trained(made, rows, tmp_path)
    predictor = Predictor(model.signature, features, model.engine.raw)
    plan = np.array(["basic", "basic"], dtype=object)
    raw = {"age": np.array([40.0, -5.0]), "calls": np.array([1, 1]), "plan": plan}
    good = {name: values[:1] for name, values in raw.items()}

    assert form == model.signature.format
    assert 1 == len(predictor.predict(good, 1)["prediction"])
    with pytest.raises(Exception, match=r"NaN|null"):
        predictor.predict(raw, 2)


def test_a_held_out_row_that_the_estimator_refuses_is_named(table, pinned, tmp_path: Path) -> None:
    """Such as one with a text that only it has."""
    made = pinned(model=MODEL.format(encoder=ENCODERS[0], last=LASTS[0]), split={"by": "time"})
    rows = table()
    last = int(np.argmax(rows.times))
    rows.features["plan"][last] = "silver"

    with pytest.raises(InvalidInput, match=r"refuses held-out row \d+: ValueError: Found unknown"):
        _trained(made, rows, tmp_path)
