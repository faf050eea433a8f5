"""XGBoost, LightGBM and CatBoost: served as ONNX that answers as the library does, or refused.

The answers are compared with the library's own predict here, beside the proof that export makes.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from boosted import ALONE, BUILD, IN_PIPELINE, TARGETS, served_equal, table

from mlplatform.engine.boosters.found import READERS
from mlplatform.errors import InvalidInput, Refused

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that hand each other arrays
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
    rows = table(300, task, nulls=nulls == "nulls", bits=bits, texts=with_texts)

    served = served_equal(model, task, rows, tmp_path)

    assert "onnx" == served.signature.format


@pytest.mark.parametrize(("library", "options"), OBJECTIVES)
def test_an_objective_of_a_regression_keeps_its_link(
    library: str, options: str, tmp_path: Path
) -> None:
    """Numbers, counts, quantiles; intercepts, forests, deep trees and every kind of null."""
    model = BUILD[library].format("Regressor") + ALONE.format(options)

    served = served_equal(model, "regression", table(300, "regression", nulls=True), tmp_path)

    assert "onnx" == served.signature.format


@pytest.mark.parametrize(("library", "options"), CLASSIFIERS)
def test_an_objective_of_many_classes_keeps_its_link(
    library: str, options: str, tmp_path: Path
) -> None:
    """One against all gives probabilities that don't add up to 1, and they stay so."""
    model = BUILD[library].format("Classifier") + ALONE.format(options)

    served = served_equal(model, "classes", table(300, "classes", nulls=True), tmp_path)

    assert (3, 5, 9) == served.signature.classes


@pytest.mark.parametrize(("library", "options", "reason"), REFUSED)
def test_what_has_no_translation_is_refused_with_what_to_change(
    library: str, options: str, reason: str, tmp_path: Path
) -> None:
    """No such model falls back to skops, and none is answered in another way."""
    model = BUILD[library].format("Regressor") + ALONE.format(options)

    with pytest.raises((InvalidInput, Refused), match=reason):
        served_equal(model, "regression", table(300, "regression"), tmp_path)


@pytest.mark.parametrize("library", READERS)
@pytest.mark.parametrize("count", [1, 3000])
def test_one_tree_and_thousands_are_served(library: str, count: int, tmp_path: Path) -> None:
    """Sums are made in the library's own order and size of number."""
    source = BUILD[library].format("Regressor").replace("=8", f"={count}")

    model = source + ALONE.format("max_depth=3")
    served = served_equal(model, "regression", table(300, "regression"), tmp_path)

    assert "onnx" == served.signature.format


@pytest.mark.parametrize("library", READERS)
def test_a_constant_target_is_served(library: str, tmp_path: Path) -> None:
    """Trees without a split, or none at all."""
    rows = table(60, "regression")
    rows.labels[:] = 4.0
    options = "allow_const_label=True" if library == "catboost" else ""

    model = BUILD[library].format("Regressor") + ALONE.format(options)
    served = served_equal(model, "regression", rows, tmp_path)

    assert "onnx" == served.signature.format


def test_xgboost_behind_a_sparse_encoder_is_refused(tmp_path: Path) -> None:
    """It would take each zero of the encoded texts for a null."""
    model = BUILD["xgboost"].format("Regressor") + IN_PIPELINE.format("", 1)

    with pytest.raises(InvalidInput, match="sparse rows"):
        served_equal(model, "regression", table(100, "regression", texts=True), tmp_path)


@pytest.mark.parametrize("library", READERS)
def test_a_booster_never_leaves_as_skops(library: str, tmp_path: Path) -> None:
    """Not even where the pipeline asks for it."""
    model = BUILD[library].format("Regressor") + ALONE.format("")

    with pytest.raises(InvalidInput, match="served as ONNX only"):
        served_equal(
            model, "regression", table(60, "regression"), tmp_path, export={"format": "skops"}
        )
