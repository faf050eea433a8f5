"""Compile a fitted scikit-learn estimator to ONNX.

Only training does this; serving never imports it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from onnx import TensorProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.ensemble import VotingClassifier

from mlplatform.contracts.columns import Feature
from mlplatform.engine.boosters import tree_nodes
from mlplatform.engine.boosters.convert import register
from mlplatform.engine.boosters.found import boosters, package_of
from mlplatform.engine.onnx_inputs import BlockInputs
from mlplatform.errors import InvalidInput

Precision = Literal["float32", "float64"]
MOST_BYTES = 2**31 - 1
"""No reader of protocol buffers takes a larger message."""
_NAME = "model"
"""A fixed name for the graph: skl2onnx would draw one, and equal models would have other bytes."""
_FIXED: dict[str, Any] = {
    "int64": Int64TensorType,
    "bool": BooleanTensorType,
    "string": StringTensorType,
}
_FLOAT: dict[Precision, Any] = {"float32": FloatTensorType, "float64": DoubleTensorType}
_NUMBERS: dict[Precision, int] = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def compile_onnx(
    estimator: Any,
    features: Sequence[Feature],
    outputs: Sequence[str],
    *,
    precision: Precision,
    order: Sequence[str] = (),
) -> bytes:
    """The bytes of a model.onnx with one input per type of feature (`onnx_feed.input_name`).

    `outputs` are label, probabilities; float64 features are computed in `precision`. `order` are
    the features as the estimator takes them, if in another order. Raises InvalidInput when skl2onnx
    has no translation for this estimator.
    """
    taken = sorted(features, key=lambda one: order.index(one.name)) if order else features
    register(estimator)
    blocks = BlockInputs(features, _NUMBERS[precision])
    tensors = _FIXED | {"float64": _FLOAT[precision]}
    try:
        columns = [(feature.name, tensors[feature.dtype]([None, 1])) for feature in taken]
        model = _converted(estimator, columns)
    except InvalidInput:
        table = _of_table(estimator, features, precision)
        if table is None:
            raise
        model = table
        blocks.replace_table(model, [one.name for one in taken])
    else:
        blocks.replace_columns(model)
    _rename(model.graph, outputs)
    tree_nodes.declare(model)
    return _written(model)


def _written(model: Any) -> bytes:
    if (size := model.ByteSize()) > MOST_BYTES:
        raise InvalidInput(
            f"the compiled model takes {size / 1e9:.1f} GB, and an ONNX file holds at most "
            f"{MOST_BYTES / 1e9:.1f} GB",
            field="model.py",
            fix="fewer or smaller trees: n_estimators, max_depth, min_samples_leaf",
        )
    return bytes(model.SerializeToString())


def precisions(estimator: Any) -> tuple[Precision, ...]:
    """In which to try it, the faster one first.

    A booster's splits are often values of training rows: to the last bit, what is computed before
    it must be what it was fitted on. XGBoost and CatBoost themselves round to float32.
    """
    if not boosters(estimator):
        return "float32", "float64"
    return ("float32",) if package_of(estimator) in ("xgboost", "catboost") else ("float64",)


def _of_table(estimator: Any, features: Sequence[Feature], precision: Precision) -> Any:
    """The graph with all features as one input of numbers; None where that can't be either.

    Many estimators are translated for a single input only, unless a step before them joins columns.
    """
    if any(feature.dtype == "string" for feature in features):
        return None
    try:
        return _converted(estimator, [("table", _FLOAT[precision]([None, len(features)]))])
    except InvalidInput:  # it looks for columns by their names, for example
        return None


def _converted(estimator: Any, inputs: Sequence[tuple[str, Any]]) -> Any:
    classifies = hasattr(estimator, "predict_proba")
    # Without zipmap the probabilities are an array instead of a list of dicts.
    options = {id(estimator): {"zipmap": False}} if classifies else None
    try:
        with warnings.catch_warnings(), _unflattened(estimator):
            # skl2onnx gives protobuf booleans for whole numbers.
            warnings.simplefilter("ignore", DeprecationWarning)
            return convert_sklearn(estimator, _NAME, initial_types=inputs, options=options)
    except Exception as error:  # skl2onnx raises whatever its converters run into
        root = error.__cause__ or error
        if isinstance(root, InvalidInput):
            raise root from error
        raise InvalidInput(
            f"can't be compiled to ONNX: {type(root).__name__}: {' '.join(str(root).split())[:300]}"
        ) from error


@contextmanager
def _unflattened(estimator: Any) -> Iterator[None]:
    """skl2onnx refuses a VotingClassifier for a parameter of its `transform`, not of `predict`."""
    inside = estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else ()
    votes = {id(one): one for one in (estimator, *inside) if isinstance(one, VotingClassifier)}
    before = [(one, one.flatten_transform) for one in votes.values()]
    for one in votes.values():
        one.flatten_transform = False
    try:
        yield
    finally:
        for one, flatten in before:
            one.flatten_transform = flatten


def _rename(graph: Any, names: Sequence[str]) -> None:
    """Give the graph's outputs our names; every node that makes or reads them follows."""
    if len(graph.output) != len(names):
        raise InvalidInput(f"the compiled model has {len(graph.output)} outputs, not {len(names)}")
    renamed = {output.name: name for output, name in zip(graph.output, names, strict=True)}
    for output in graph.output:
        output.name = renamed[output.name]
    for node in graph.node:
        for edges in (node.input, node.output):
            for position, edge in enumerate(edges):
                if edge in renamed:
                    edges[position] = renamed[edge]
