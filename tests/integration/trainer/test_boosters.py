"""XGBoost, LightGBM and CatBoost: served as ONNX that answers as the library does, or refused.

The answers are compared with the library's own predict here, beside the proof that export makes.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import opened
import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.engine.boosters.found import READERS, boosters, package_of
from mlplatform.engine.load import load
from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput, Refused
from mlplatform.features.code import load as load_features
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Parts, Pinned
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.train import train

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that hand each other arrays
BUILD = {
    "xgboost": "from xgboost import XGB{0} as Booster\nSMALL = dict(n_estimators=8, n_jobs=1)\n",
    "lightgbm": "from lightgbm import LGBM{0} as Booster\nSMALL = dict(n_estimators=8, n_jobs=1)\n",
    "catboost": "from catboost import CatBoost{0} as Booster\n"
    "SMALL = dict(iterations=8, thread_count=1)\n",
}
ALONE = "def build(parameters):\n    return Booster(**SMALL, {0})\n"
IN_PIPELINE = """
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
def build(parameters):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]), (StandardScaler(), ["age"]),
        remainder="passthrough", sparse_threshold={1},
    )
    return make_pipeline(columns, Booster(**SMALL, {0}))
"""
TARGETS: dict[str, Any] = {
    "binary": {"name": "left", "dtype": "string", "values": ["no", "yes"]},
    "classes": {"name": "left", "dtype": "int64"},
    "regression": {"name": "left", "dtype": "float64"},
}
MATRIX = list(product(READERS, TARGETS, ("nulls", "no nulls"), ("texts", "numbers"), (32, 64)))
OBJECTIVES = [
    *(("xgboost", f"objective='{name}'") for name in (
        "count:poisson", "reg:gamma", "reg:tweedie", "reg:absoluteerror", "reg:pseudohubererror",
        "reg:squaredlogerror",
    )),
    ("xgboost", "objective='reg:quantileerror', quantile_alpha=0.9"),
    ("xgboost", "base_score=7.5"),
    ("xgboost", "missing=3.0"),
    ("xgboost", "num_parallel_tree=3, subsample=0.5"),
    ("xgboost", "tree_method='exact', max_depth=12"),
    *(("lightgbm", f"objective='{name}'") for name in (
        "regression_l1", "huber", "fair", "poisson", "mape", "gamma", "tweedie",
    )),
    ("lightgbm", "objective='quantile', alpha=0.9"),
    ("lightgbm", "use_missing=False"),
    ("lightgbm", "boosting_type='dart'"),
    ("lightgbm", "boosting_type='rf', subsample=0.5, subsample_freq=1"),
    *(("catboost", f"loss_function='{name}'") for name in (
        "MAE", "Quantile:alpha=0.9", "Poisson", "Tweedie:variance_power=1.5", "Huber:delta=1",
        "LogCosh", "Expectile:alpha=0.7", "MAPE",
    )),
    ("catboost", "nan_mode='Max'"),
    ("catboost", "grow_policy='Depthwise'"),
    ("catboost", "grow_policy='Lossguide', max_leaves=50"),
]  # fmt: skip
CLASSIFIERS = [
    ("lightgbm", "objective='multiclassova'"),
    ("lightgbm", "objective='multiclassova', sigmoid=2.0"),
    ("catboost", "loss_function='MultiClassOneVsAll'"),
    ("catboost", "grow_policy='Depthwise'"),
]
REFUSED = [
    ("xgboost", "booster='dart'", "take booster='gbtree'"),
    ("xgboost", "booster='gblinear'", "take booster='gbtree'"),
    ("xgboost", "objective=lambda truth, sums: (sums - truth, truth * 0 + 1)", "by its name"),
    ("xgboost", "objective='rank:pairwise'", "take one of"),
    (
        "xgboost",
        "objective='reg:quantileerror', quantile_alpha=[0.1, 0.9]",
        "several numbers per row",
    ),
    ("lightgbm", "linear_tree=True", "turn linear_tree off"),
    ("lightgbm", "zero_as_missing=True", "turn zero_as_missing off"),
    ("lightgbm", "reg_sqrt=True", "turn reg_sqrt off"),
    ("lightgbm", "categorical_feature=[1], min_data_per_group=1, cat_smooth=1", "encode texts"),
    ("lightgbm", "objective=lambda truth, sums: (sums - truth, truth * 0 + 1)", "by its name"),
    ("catboost", "cat_features=['calls']", "leave cat_features"),
    ("catboost", "loss_function='RMSEWithUncertainty'", "several numbers per row"),
]


@pytest.mark.parametrize("case", MATRIX, ids=lambda case: "-".join(map(str, case)))
def test_a_booster_answers_as_its_library_does(case: Any, tmp_path: Path) -> None:
    """Alone and behind other steps, with nulls and without, on numbers of both sizes."""
    library, task, nulls, texts, bits = case
    with_texts = texts == "texts"
    model = BUILD[library].format("Regressor" if task == "regression" else "Classifier")
    model += (IN_PIPELINE if with_texts else ALONE).format("", 0)
    rows = _rows(300, task, nulls=nulls == "nulls", bits=bits, texts=with_texts)

    served = _equal(model, task, rows, tmp_path)

    assert "onnx" == served.signature.format


@pytest.mark.parametrize(("library", "options"), OBJECTIVES)
def test_an_objective_of_a_regression_keeps_its_link(
    library: str, options: str, tmp_path: Path
) -> None:
    """Numbers, counts, quantiles; intercepts, forests, deep trees and every kind of null."""
    model = BUILD[library].format("Regressor") + ALONE.format(options)

    served = _equal(model, "regression", _rows(300, "regression", nulls=True), tmp_path)

    assert "onnx" == served.signature.format


@pytest.mark.parametrize(("library", "options"), CLASSIFIERS)
def test_an_objective_of_many_classes_keeps_its_link(
    library: str, options: str, tmp_path: Path
) -> None:
    """One against all gives probabilities that don't add up to 1, and they stay so."""
    model = BUILD[library].format("Classifier") + ALONE.format(options)

    served = _equal(model, "classes", _rows(300, "classes", nulls=True), tmp_path)

    assert (3, 5, 9) == served.signature.classes


@pytest.mark.parametrize(("library", "options", "reason"), REFUSED)
def test_what_has_no_translation_is_refused_with_what_to_change(
    library: str, options: str, reason: str, tmp_path: Path
) -> None:
    """No such model falls back to skops, and none is answered in another way."""
    model = BUILD[library].format("Regressor") + ALONE.format(options)

    with pytest.raises((InvalidInput, Refused), match=reason):
        _equal(model, "regression", _rows(300, "regression"), tmp_path)


@pytest.mark.parametrize("library", READERS)
@pytest.mark.parametrize("count", [1, 3000])
def test_one_tree_and_thousands_are_served(library: str, count: int, tmp_path: Path) -> None:
    """Sums are made in the library's own order and size of number."""
    source = BUILD[library].format("Regressor").replace("=8", f"={count}")

    model = source + ALONE.format("max_depth=3")
    served = _equal(model, "regression", _rows(300, "regression"), tmp_path)

    assert "onnx" == served.signature.format


@pytest.mark.parametrize("library", READERS)
def test_a_constant_target_is_served(library: str, tmp_path: Path) -> None:
    """Trees without a split, or none at all."""
    rows = _rows(60, "regression")
    rows.labels[:] = 4.0
    options = "allow_const_label=True" if library == "catboost" else ""

    model = BUILD[library].format("Regressor") + ALONE.format(options)
    served = _equal(model, "regression", rows, tmp_path)

    assert "onnx" == served.signature.format


def test_xgboost_behind_a_sparse_encoder_is_refused(tmp_path: Path) -> None:
    """It would take each zero of the encoded texts for a null."""
    model = BUILD["xgboost"].format("Regressor") + IN_PIPELINE.format("", 1)

    with pytest.raises(InvalidInput, match="sparse rows"):
        _equal(model, "regression", _rows(100, "regression", texts=True), tmp_path)


@pytest.mark.parametrize("library", READERS)
def test_a_booster_never_leaves_as_skops(library: str, tmp_path: Path) -> None:
    """Not even where the pipeline asks for it."""
    model = BUILD[library].format("Regressor") + ALONE.format("")

    with pytest.raises(InvalidInput, match="served as ONNX only"):
        _equal(model, "regression", _rows(60, "regression"), tmp_path, export={"format": "skops"})


def _equal(model: str, task: str, rows: LabelledRows, folder: Path, **changes: Any) -> Any:
    """The exported model, after its answers were compared with the library's."""
    pinned = _pinned(folder, model, task, rows, **changes)
    estimator = train(builder(pinned), rows, pinned, {})
    parts = Parts(rows, rows, columns={}, receipt=Any)  # type: ignore[arg-type]  # not read
    served = export(estimator, pinned, parts, folder / "model", (), open_model=opened.here)
    asked = _around(rows, estimator)
    answers = load(served.folder, served.signature, trusted=()).predict(asked)
    table = frame(asked, pinned.features.features)
    own = np.asarray(estimator.predict(table)).reshape(-1)
    if task == "regression":
        assert answers["prediction"] == pytest.approx(own.astype(float), rel=1e-6, abs=1e-9)
    else:
        assert own.tolist() == answers["prediction"].tolist()
        probabilities = estimator.predict_proba(table)
        assert np.abs(probabilities - answers["probabilities"]).max() < 1e-6
    return served


def _around(rows: LabelledRows, estimator: Any) -> dict[str, Any]:
    """The rows; and at every split of a booster alone, and next to it in both sizes of numbers."""
    splits = [rows.features["age"]]
    booster = boosters(estimator)[0]
    if booster is estimator:
        model = READERS[package_of(booster) or ""](booster)
        found = {
            split
            for tree in model.trees
            for at, split in zip(tree.features, tree.splits, strict=True)
            if at == 0
        }
        splits.append(np.array(sorted(found)[:200], dtype=np.float64))
    age = np.concatenate(splits)
    narrow = age.astype(np.float32)
    every = [age, narrow, *(np.nextafter(age, way) for way in (-np.inf, np.inf))]
    every += [np.nextafter(narrow, np.float32(way)) for way in (-np.inf, np.inf)]
    ages = np.concatenate([one.astype(np.float64) for one in every])
    table = {name: np.resize(values, len(ages)) for name, values in rows.features.items()}
    return table | {"age": ages}


def _rows(
    count: int, task: str, *, nulls: bool = False, bits: int = 64, texts: bool = False
) -> LabelledRows:
    draw = np.random.default_rng(0)
    age, calls = draw.normal(40, 10, count), draw.integers(0, 9, count)
    leans = (age - 40) / 10 + calls - 4 + draw.normal(0, 1, count)
    age = age.astype(np.float32).astype(np.float64) if bits == 32 else age
    if nulls:
        age[draw.random(count) < 0.2] = np.nan
    plan = draw.choice(np.array(["basic", "gold"], dtype=object), count)
    labels = {
        "binary": np.where(leans > 0, "yes", "no").astype(object),
        "classes": np.array([3, 5, 9])[np.digitize(leans, [-1.0, 1.0])],
        "regression": np.round(np.abs(leans), 3) + 0.1,
    }[task]
    return LabelledRows(
        request_ids=np.arange(count).astype(str).astype(object),
        rows=np.zeros(count, dtype=np.int64),
        keys=np.full(count, None, dtype=np.object_),
        times=np.full(count, np.datetime64("2026-01-01", "us")),
        labels=labels,
        features={"age": age, "calls": calls} | ({"plan": plan} if texts else {}),
    )


def _pinned(folder: Path, model: str, task: str, rows: LabelledRows, **changes: Any) -> Pinned:
    (folder / "model.py").write_text(model)
    kinds = {"f": "float64", "i": "int64", "O": "string"}
    metric = "r2" if task == "regression" else "accuracy"
    definition = PipelineDefinition.parse({
        "name": "churn",
        "description": "Who will leave within a month.",
        "task": "regression" if task == "regression" else "classification",
        "columns": [
            {"name": name, "dtype": kinds[values.dtype.kind], "nullable": values.dtype.kind == "f"}
            for name, values in rows.features.items()
        ],
        "target": TARGETS[task],
        "tuning": {"metric": metric},
        "gates": [{"metric": metric, "min": 0.0}],
        **changes,
    })  # fmt: skip
    features = load_features(definition, None, digest=None)
    files = PipelineFiles(definition, None, folder / "model.py", None)
    return Pinned(
        definition=definition,
        commit="c" * 40,
        digest=features.digest,
        files=files,
        features=features,
    )
