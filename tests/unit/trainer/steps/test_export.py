"""Export: ONNX only when proven equal, else skops, else a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import opened
import pytest

from mlplatform.engine.load import load
from mlplatform.errors import IntegrityFailure, Refused, UnfitModel
from mlplatform.registry import manifest
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.results import Parts
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.split import hold_out
from mlplatform.trainer.steps.train import train

FOREST = """
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.preprocessing import OrdinalEncoder
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
def build(parameters):
    words = make_column_transformer((OrdinalEncoder(), ["plan"]), remainder="passthrough")
    return make_pipeline(words, HistGradientBoostingRegressor(max_iter=20))
"""
INFREQUENT = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
def build(parameters):
    words = make_column_transformer(
        (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.01), ["plan"]),
        remainder="passthrough",
        sparse_threshold=0,
    )
    return make_pipeline(words, LogisticRegression())
"""
LINEAR = FOREST.replace("HistGradientBoostingRegressor(max_iter=20)", "Ridge()").replace(
    "sklearn.ensemble import HistGradientBoostingRegressor", "sklearn.linear_model import Ridge"
)
OWN = FOREST.replace(
    "def build", "class Own(HistGradientBoostingRegressor): ...\ndef build"
).replace("words, HistGradientBoostingRegressor", "words, Own")
REGRESSION = {
    "task": "regression",
    "target": {"name": "left", "dtype": "float64"},
    "tuning": {"metric": "r2"},
    "gates": [{"metric": "r2", "min": 0.0}],
}
CASES = """
rows: {typical: {age: 40, calls: 4, plan: basic}}
cases:
  - {name: a quiet one stays, kind: exact, row: typical, with: {calls: 0, age: 20}, expect: "no"}
"""


def _export(pinned: Any, rows: Any, folder: Path, trial: Any = None) -> Any:
    receipt: Any = None  # not read
    parts = Parts(*hold_out(rows, pinned.definition), columns={}, receipt=receipt)
    estimator = train(builder(pinned), parts.train, pinned, {})
    return export(
        estimator, pinned, parts, folder / "model", (), open_model=opened.here, trial=trial
    )


def _far_apart(table: Any) -> Any:
    """Numbers that float32 can't tell apart, and that everything depends on."""
    rows = table(400)
    age = 1e9 + np.random.default_rng(1).permutation(400).astype(float)
    features = {**rows.features, "age": age}
    return replace(rows, labels=np.sqrt(age - 1e9), features=features)


def test_a_model_that_is_equal_leaves_as_onnx(table, pinned, tmp_path: Path) -> None:
    """Model, signature, definition and cases lie under a manifest, and load as serving loads."""
    exported = _export(pinned(cases=CASES), table(), tmp_path)
    folder = exported.folder
    names = [file.path for file in manifest.verify(folder, exported.manifest_sha256).files]
    answers = load(folder, exported.signature, trusted=()).predict(table(5).features)

    assert ["cases.yaml", "model.onnx", "pipeline.yaml", "signature.json"] == names
    assert (
        "onnx",
        ("no", "yes"),
        (),
    ) == (exported.signature.format, exported.signature.classes, exported.tried)
    assert answers["probabilities"].sum(axis=1) == pytest.approx(np.ones(5))
    # Held out; mixed, spread, extremes, nulls, unseen; texts and ends of numbers.
    assert 50 + 5 * 256 + 2 + 6 == exported.parity.rows


def test_numbers_too_fine_for_float32_are_computed_in_float64(
    table, pinned, tmp_path: Path
) -> None:
    """A linear model that float32 can't hold is compiled in float64, and the report says why."""
    exported = _export(pinned(model=LINEAR, **REGRESSION), _far_apart(table), tmp_path)

    assert "onnx" == exported.signature.format
    assert ["onnx float32"] == [line.split(":")[0] for line in exported.tried]


@pytest.mark.parametrize("unit", [1e-6, 1e12])
def test_small_and_large_targets_are_held_to_the_same_proof(
    unit: float, table, pinned, tmp_path: Path
) -> None:
    """A float32 model that is wrong is not taken because its target's unit is small."""
    rows = _far_apart(table)
    rows = replace(rows, labels=rows.labels * unit)
    exported = _export(pinned(model=LINEAR, **REGRESSION), rows, tmp_path)

    assert "onnx float32: prediction of held-out rows: differs by up to" in exported.tried[0]
    assert ("onnx", 1) == (exported.signature.format, len(exported.tried))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e12])
def test_a_regression_in_any_unit_leaves_as_float32(
    unit: float, table, pinned, tmp_path: Path
) -> None:
    """What float32 computes well is proven equal, whatever the target's unit."""
    rows = table()
    rows = replace(rows, labels=rows.features["age"] * unit)
    exported = _export(pinned(model=LINEAR, **REGRESSION), rows, tmp_path)

    assert ("onnx", ()) == (exported.signature.format, exported.tried)


def test_a_constant_target_leaves_as_onnx(table, pinned, tmp_path: Path) -> None:
    """A model that has learned one number has no spread, and is still proven equal."""
    rows = replace(table(), labels=np.full(200, 0.1))
    exported = _export(pinned(model=LINEAR, **REGRESSION), rows, tmp_path)

    assert "onnx" == exported.signature.format


def test_a_single_held_out_row_is_compared_on_the_scale_of_all(
    table, pinned, tmp_path: Path
) -> None:
    """One prediction has no spread: the generated rows' predictions have."""
    rows = table()
    age = rows.features["age"]
    rows = replace(rows, labels=age, features={**rows.features, "age": age + 1000})
    split = {"by": "time", "test_share": 0.005}
    exported = _export(pinned(model=LINEAR, split=split, **REGRESSION), rows, tmp_path)

    assert ("onnx", ()) == (exported.signature.format, exported.tried)


def test_a_metric_that_the_export_moves_refuses_it(table, pinned, tmp_path: Path) -> None:
    """However much predictions may differ, the held-out rows' metrics stay what they were."""
    export_within = {"format": "auto", "tolerance": 10.0}
    exported = _export(
        pinned(model=LINEAR, export=export_within, **REGRESSION), _far_apart(table), tmp_path
    )

    assert "onnx float32: held-out rows: r2 is " in exported.tried[0]
    assert " after the export, 0." in exported.tried[0]


def test_a_model_that_onnx_gets_wrong_is_served_by_scikit_learn(
    table, pinned, tmp_path: Path
) -> None:
    """Trees that split numbers which float32 can't tell apart differ in ONNX: skops serves."""
    exported = _export(pinned(model=FOREST, **REGRESSION), _far_apart(table), tmp_path)

    assert "skops" == exported.signature.format
    assert "differs by up to" in exported.tried[0]
    assert exported.parity.equal


def test_a_model_that_onnx_runtime_cannot_compute_is_served_by_scikit_learn(
    table, pinned, tmp_path: Path
) -> None:
    """A graph that loads and then fails on rows is no export: the next way is tried.

    The reason is kept.
    """
    exported = _export(pinned(model=INFREQUENT), table(), tmp_path)

    assert "skops" == exported.signature.format
    assert 2 == len(exported.tried)
    assert "can't be computed" in exported.tried[0]


def test_onnx_on_demand_is_onnx_or_nothing(table, pinned, tmp_path: Path) -> None:
    """`format: onnx` refuses a model that is not proven equal; it serves in no other way."""
    with pytest.raises(Refused, match="no export is equal"):
        _export(
            pinned(model=FOREST, export={"format": "onnx"}, **REGRESSION),
            _far_apart(table),
            tmp_path,
        )


def test_types_that_serving_would_refuse_end_the_export(table, pinned, tmp_path: Path) -> None:
    """Skops needs a class of model.py, which serving has not: the run ends and names it."""
    with pytest.raises(IntegrityFailure, match=r"Own") as refused:
        _export(
            pinned(model=OWN, export={"format": "skops"}, **REGRESSION), _far_apart(table), tmp_path
        )

    assert "MLPLATFORM_REGISTRY__SKOPS_TRUSTED" == refused.value.field


def test_a_run_without_an_export_says_what_is_wrong_with_each_way(
    table, pinned, tmp_path: Path
) -> None:
    """Types that are not trusted are half of the reason; ONNX's half is in the message too."""
    with pytest.raises(
        IntegrityFailure,
        match=r"onnx float32: can't be compiled.*onnx float64: .*skops: the model holds .*Own",
    ):
        _export(pinned(model=OWN, **REGRESSION), _far_apart(table), tmp_path)


def test_the_same_rows_and_seed_give_the_same_model(table, pinned, tmp_path: Path) -> None:
    """Two exports of the same data, code and seed have the same manifest, byte for byte."""
    first, second = (_export(pinned(), table(), tmp_path / name) for name in ("one", "two"))

    assert first.manifest_sha256 == second.manifest_sha256


def _unfit(*formats: str) -> Any:
    """A trial that models of these formats don't pass."""

    def trial(model: Any) -> None:
        if model.signature.format in formats:
            fault = f"{model.signature.format} refuses a row"
            raise UnfitModel(fault, field="pipeline.yaml", fix="`values` for 'plan'")

    return trial


def test_onnx_that_serving_could_not_load_gives_way_to_skops(table, pinned, tmp_path: Path) -> None:
    """It is equal to scikit-learn, and fails the trial; the report says so."""
    exported = _export(pinned(), table(), tmp_path, _unfit("onnx"))

    assert "skops" == exported.signature.format
    assert "onnx float32: onnx refuses a row" == exported.tried[0]


def test_where_no_format_passes_the_trial_all_reasons_are_told(
    table, pinned, tmp_path: Path
) -> None:
    """With the way out that the last one gave."""
    with pytest.raises(UnfitModel) as unfit:
        _export(pinned(), table(), tmp_path, _unfit("onnx", "skops"))

    reasons = unfit.value.message.split("; ")
    first = "no export can serve: onnx float32: onnx refuses a row"
    assert [first, "skops: skops refuses a row"] == [reasons[0], reasons[-1]]
    assert "`values` for 'plan'" == unfit.value.fix
