"""A compiled model has one input per type, and answers as one with an input per column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import NUMPY, Column, DType, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.engine import onnx as onnx_engine
from mlplatform.engine import onnx_compile
from mlplatform.engine.onnx_compile import Precision, compile_onnx
from mlplatform.errors import IntegrityFailure, InvalidInput, RowRefused

STORED = Path(__file__).parent / "models" / "column_inputs.onnx"
NUMBERS: tuple[tuple[str, DType], ...] = (
    ("age", "float64"),
    ("calls", "int64"),
    ("income", "float64"),
    ("new", "bool"),
    ("debt", "float64"),
    ("visits", "int64"),
)
MIXED = (*NUMBERS[:3], ("plan", "string"), *NUMBERS[3:], ("city", "string"))
FLOATS = tuple((f"x{at}", "float64") for at in range(5))
ENCODER = OneHotEncoder(handle_unknown="ignore")
MODELS: dict[str, tuple[Any, Any]] = {
    "a scaler before a linear model": (make_pipeline(StandardScaler(), Ridge()), FLOATS),
    "nothing but an estimator": (GradientBoostingRegressor(n_estimators=5, random_state=0), FLOATS),
    "an estimator of several types": (Ridge(), NUMBERS),
    "a scaler of several types": (make_pipeline(MinMaxScaler(), Ridge()), NUMBERS),
    "one column of each type": (
        make_pipeline(
            ColumnTransformer([("", ENCODER, ["city"])], remainder="passthrough"), Ridge()
        ),
        (*NUMBERS[:2], *MIXED[-1:]),
    ),
    "texts, and all others as they come": (
        make_pipeline(
            make_column_transformer(
                (ENCODER, ["plan", "city"]), remainder="passthrough", sparse_threshold=0
            ),
            RandomForestRegressor(5, random_state=0),
        ),
        MIXED,
    ),
    "columns in another order, some twice, some not at all": (
        make_pipeline(
            make_column_transformer(
                (make_pipeline(SimpleImputer(), StandardScaler()), ["debt", "age"]),
                (OrdinalEncoder(), ["city"]),
                ("passthrough", ["age", "visits"]),
                (MinMaxScaler(), ["visits", "calls"]),
            ),
            Ridge(),
        ),
        MIXED,
    ),
    "only texts": (make_pipeline(ENCODER, Ridge()), (MIXED[3], MIXED[-1])),
}

NARROW = {"nothing but an estimator", "columns in another order, some twice, some not at all"}
"""Of boosted trees and imputers skl2onnx writes no float64 that ONNX Runtime would take."""
CASES = [(name, precision) for name in MODELS for precision in ("float32", "float64")
         if precision == "float32" or name not in NARROW]  # fmt: skip


def _features(named: Any) -> tuple[Feature, ...]:
    return tuple(Feature(name=name, dtype=dtype) for name, dtype in named)


def _rows(features: tuple[Feature, ...], rows: int, seed: int = 0) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    values = {
        "float64": lambda: draw.normal(size=rows),
        "int64": lambda: draw.integers(0, 50, rows),
        "bool": lambda: draw.random(rows) > 0.5,
        "string": lambda: draw.choice(np.array(["a", "b", "c"], dtype=object), rows),
    }
    return {feature.name: values[feature.dtype]() for feature in features}


def _signature(features: tuple[Feature, ...], classes: Any = None) -> Signature:
    outputs = [Output(name="prediction", dtype="string" if classes else "float64")]
    outputs += [Output(name="probabilities", dtype="float64", width=2)] if classes else []
    return Signature(
        pipeline="toys",
        task="classification" if classes else "regression",
        inputs=tuple(Column(name=one.name, dtype=one.dtype) for one in features),
        features=features,
        outputs=tuple(outputs),
        classes=classes,
        format="onnx",
        model_file="model.onnx",
        features_digest="a" * 64,
        commit="c" * 40,
    )


def _labels(table: dict[str, Any]) -> Any:
    return sum(np.asarray(v == "a" if v.dtype == object else v, float) for v in table.values())


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_model_takes_one_tensor_per_type(toys: Any, name: str, precision: Precision) -> None:
    """Whatever stands first in it, in both precisions, as a table of blocks and of columns."""
    estimator, named = MODELS[name]
    features = _features(named)
    table, layout = _rows(features, 300), BlockLayout(features)
    estimator.fit(toys.frame(table, features), _labels(table))
    data = compile_onnx(estimator, features, ["prediction"], precision=precision)
    engine, new = onnx_engine.load(data, _signature(features), ()), _rows(features, 40, seed=1)
    blocks = layout.table(
        [np.stack([new[each] for each in block.names], axis=1) for block in layout.blocks]
    )
    expected = estimator.predict(toys.frame(new, features))

    assert {f"block.{block.dtype}" for block in layout.blocks} >= {
        one.name for one in onnx.load_from_string(data).graph.input
    }
    assert expected == pytest.approx(engine.predict(new)["prediction"], rel=1e-4, abs=1e-4)
    assert np.array_equal(engine.predict(new)["prediction"], engine.predict(blocks)["prediction"])


def test_columns_that_follow_one_another_are_the_input_itself(toys: Any) -> None:
    """No node stands between a tensor of the caller and a step that takes all of it."""
    features = _features(FLOATS)
    table = _rows(features, 50)
    estimator = make_pipeline(StandardScaler(), Ridge()).fit(
        toys.frame(table, features), _labels(table)
    )
    data = compile_onnx(estimator, features, ["prediction"], precision="float32")

    assert ["Identity", "Scaler", "LinearRegressor"] == [
        node.op_type for node in onnx.load_from_string(data).graph.node
    ]  # ONNX Runtime drops an identity


def test_a_stored_model_with_an_input_per_column_still_answers(toys: Any) -> None:
    """Registries hold models that were exported in the older form."""
    form = _signature(toys.features, classes=("no", "yes"))
    older = onnx_engine.load(STORED.read_bytes(), form, ())
    data = compile_onnx(
        toys.fitted(), toys.features, ["prediction", "probabilities"], precision="float32"
    )
    newer, rows = onnx_engine.load(data, form, ()), toys.table(64, seed=5)
    names = [one.name for one in onnxruntime.InferenceSession(STORED.read_bytes()).get_inputs()]
    beyond = rows | {"size": np.where(np.arange(64) == 7, 1e39, rows["size"])}

    assert [feature.name for feature in toys.features] == names
    assert toys.same(older.predict(rows), newer.predict(rows))
    for engine in (older, newer):
        with pytest.raises(RowRefused, match=r"row 7: feature size is 1e\+39"):
            engine.predict(beyond)


def test_a_model_of_other_width_is_refused_at_load(toys: Any) -> None:
    """A column more or less would shift all others."""
    features = _features(FLOATS)
    table = _rows(features, 50)
    estimator = make_pipeline(StandardScaler(), Ridge()).fit(
        toys.frame(table, features), _labels(table)
    )
    data = compile_onnx(estimator, features, ["prediction"], precision="float32")

    with pytest.raises(IntegrityFailure, match=r"unknown inputs \['block\.float64'\]"):
        onnx_engine.load(data, _signature(features[:4]), ())


def test_answers_of_float32_have_no_more_digits_than_it_takes(toys: Any) -> None:
    """What a person reads is what float32 knows."""
    features = _features(FLOATS)
    table = _rows(features, 50)
    estimator = make_pipeline(StandardScaler(), Ridge()).fit(
        toys.frame(table, features), _labels(table) + 290
    )
    data = compile_onnx(estimator, features, ["prediction"], precision="float32")
    found = onnx_engine.load(data, _signature(features), ()).predict(table)["prediction"]

    assert max(len(repr(value)) for value in found.tolist()) <= len("290.12345")
    assert NUMPY["float64"] == found.dtype


def test_equal_models_have_equal_bytes(toys: Any) -> None:
    """However often the same estimator is compiled."""
    estimator = toys.fitted(last=LogisticRegression())
    outputs = ["prediction", "probabilities"]

    assert 1 == len(
        {compile_onnx(estimator, toys.features, outputs, precision="float32") for _ in range(3)}
    )


def test_a_model_beyond_what_a_file_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its size, and what makes it smaller; no reader takes such a file."""
    monkeypatch.setattr(onnx_compile, "MOST_BYTES", 500)
    features = [Feature(name="x0", dtype="float64")]
    estimator = RandomForestRegressor(5, random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])

    with pytest.raises(InvalidInput, match="an ONNX file holds at most") as refused:
        compile_onnx(estimator, features, ["prediction"], precision="float32")

    assert "n_estimators" in refused.value.fix
