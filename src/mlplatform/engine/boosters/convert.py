"""Boosters for skl2onnx: one TreeEnsemble, and the few nodes around it.

The converters that others publish write splits and sums as float32, whatever a library computes in;
these are read from each library's own description of its model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.base import is_classifier

from mlplatform.engine.boosters import tree_nodes
from mlplatform.engine.boosters.found import READERS, boosters, package_of
from mlplatform.engine.boosters.trees import Ensemble

_OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [False]}


def register(estimator: Any) -> None:
    """Let skl2onnx translate the boosters of this estimator."""
    for one in boosters(estimator):
        update_registered_converter(
            type(one), _alias(one), _shapes, _convert, parser=_parse, options=_OPTIONS
        )


def _alias(estimator: Any) -> str:
    return f"{package_of(estimator)}.{type(estimator).__name__}"


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """The outputs of a booster; CatBoost's classifiers don't look like scikit-learn's."""
    del custom_parsers
    operator = scope.declare_local_operator(_alias(model), model)
    for one in inputs:
        operator.inputs.append(one)
    names = ("label", "probabilities") if is_classifier(model) else ("variable",)
    for name in names:
        operator.outputs.append(scope.declare_local_variable(name, FloatTensorType()))
    return operator.outputs


def _shapes(operator: Any) -> None:
    model = operator.raw_operator
    number = FloatTensorType if package_of(model) == "xgboost" else DoubleTensorType
    if len(operator.outputs) == 1:
        operator.outputs[0].type = number([None, 1])
        return
    whole = np.asarray(model.classes_).dtype.kind in "iub"
    operator.outputs[0].type = (Int64TensorType if whole else StringTensorType)([None])
    operator.outputs[1].type = number([None, len(model.classes_)])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    package = package_of(estimator)
    assert package is not None  # it was registered by that
    model, graph = READERS[package](estimator), _Graph(scope, operator, container)
    sums = _sums(graph, model)
    if len(operator.outputs) == 1:
        graph.add("Identity", _linked(graph, model, sums), to=operator.outputs[0].full_name)
        return
    label, probabilities = (output.full_name for output in operator.outputs)
    each = _linked(graph, model, sums)
    if model.link == "sigmoid":
        other = graph.add("Sub", graph.number(model, [1.0]), each)
        each = graph.add("Concat", other, each, axis=1)
    graph.add("Identity", each, to=probabilities)
    # Sums that are far apart have probabilities that are equal; only CatBoost looks at the sums.
    decided_by = sums if model.library == "CatBoost" and model.targets > 1 else each
    at = graph.add("ArgMax", decided_by, axis=1, keepdims=0)
    graph.add("Gather", graph.labels(estimator.classes_), at, to=label)


def _sums(graph: _Graph, model: Ensemble) -> str:
    """[rows, targets] before the link."""
    wide = model.number is np.float64
    narrow = model.narrow or not wide
    rows = graph.table(TensorProto.FLOAT if narrow else TensorProto.DOUBLE)
    if not np.isnan(model.null):
        absent = graph.add("Equal", rows, graph.number(model, [model.null]))
        rows = graph.add("Where", absent, graph.number(model, [np.nan]), rows)
    if narrow and wide:
        rows = graph.add("Cast", rows, to_type=TensorProto.DOUBLE)
    sums = graph.trees(rows, model)
    if model.scale != 1.0:
        sums = graph.add("Mul", sums, graph.number(model, [model.scale]))
    if any(model.offset):
        sums = graph.add("Add", sums, graph.number(model, list(model.offset)))
    return sums


def _linked(graph: _Graph, model: Ensemble, sums: str) -> str:
    if model.link == "identity":
        return sums
    if model.link == "exp":
        return graph.add("Exp", sums)
    if model.link == "softmax":
        return graph.add("Softmax", sums, axis=1)
    if model.steepness != 1.0:
        sums = graph.add("Mul", sums, graph.number(model, [model.steepness]))
    return graph.add("Sigmoid", sums)


class _Graph:
    """Adds nodes to a skl2onnx container; each method returns the name of what a node makes."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope = scope
        self._container = container
        self._operator = operator
        self._opset = container.target_opset_any_domain("")

    def add(self, kind: str, *inputs: str, to: str = "", to_type: int = 0, **options: Any) -> str:
        """A node of that kind. `to` names its output, `to_type` is what a Cast makes."""
        if to_type:
            options["to"] = to_type
        name = to or self._scope.get_unique_variable_name(kind.lower())
        return self._added(kind, inputs, str(name), options)

    def trees(self, rows: str, model: Ensemble) -> str:
        """The sums of the trees for a table of numbers."""
        kind, name = tree_nodes.OPERATOR, self._scope.get_unique_variable_name("sums")
        return self._added(kind, [rows], str(name), tree_nodes.attributes(model))

    def _added(self, kind: str, inputs: Sequence[str], output: str, options: dict[str, Any]) -> str:
        trees = kind == tree_nodes.OPERATOR
        self._container.add_node(
            kind,
            list(inputs),
            [output],
            op_domain="ai.onnx.ml" if trees else "",
            # skl2onnx knows no later one for trees; `tree_nodes.declare` names the true one.
            op_version=3 if trees else self._opset,
            name=self._scope.get_unique_operator_name(kind),
            **options,
        )
        return output

    def number(self, model: Ensemble, values: list[float]) -> str:
        """A constant of the type in which the model computes."""
        kind = TensorProto.DOUBLE if model.number is np.float64 else TensorProto.FLOAT
        return self._constant(kind, values)

    def labels(self, classes: Any) -> str:
        """The classes by their number."""
        names = np.asarray(classes)
        if names.dtype.kind in "iub":
            return self._constant(TensorProto.INT64, [int(name) for name in names])
        return self._constant(TensorProto.STRING, [str(name).encode() for name in names])

    def table(self, number: int) -> str:
        """All inputs beside each other in that type."""
        inputs = self._operator.inputs
        parts = [self.add("Cast", one.full_name, to_type=number) for one in inputs]
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def _constant(self, kind: int, values: list[Any]) -> str:
        name = self._scope.get_unique_variable_name("constant")
        self._container.add_initializer(name, kind, [len(values)], values)
        return str(name)
