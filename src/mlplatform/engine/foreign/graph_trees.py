"""Trees of ai.onnx.ml: children that exist, no way in a circle, features that the table has.

ONNX Runtime takes a tree's numbers as they are: a feature beyond the row is read from whatever
memory comes next, and a circle never ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from mlplatform.errors import InvalidInput

_OLD = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_NEW = "TreeEnsemble"
_LEAF = b"LEAF"


def require_sound_trees(model: ModelProto) -> None:
    """Raise InvalidInput for trees that a runtime can't follow safely."""
    trees = [node for node in model.graph.node if node.op_type in (*_OLD, _NEW)]
    if not trees:
        return
    widths = _widths(model)
    for node in trees:
        values = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        width = widths.get(node.input[0])
        if width is None:
            raise _refused(node, "read a table of unknown width")
        (_require_new if node.op_type == _NEW else _require_old)(node, values, width)


def _widths(model: ModelProto) -> dict[str, int]:
    """How many columns each tensor has, where shapes say it."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # it raises several classes
        raise InvalidInput(f"the ONNX model's shapes contradict: {error}", field="FILE") from error
    found = {}
    for one in (*inferred.value_info, *inferred.input):
        shape = one.type.tensor_type.shape.dim
        if len(shape) == 2 and shape[1].HasField("dim_value"):
            found[one.name] = int(shape[1].dim_value)
    return found


def _require_old(node: NodeProto, values: dict[str, Any], width: int) -> None:
    names = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
    parts = [_whole(node, values, f"nodes_{name}") for name in names]
    modes = values.get("nodes_modes") or []
    count = len(modes)
    if not count or any(len(part) != count for part in parts):
        raise _refused(node, "have lists of different lengths")
    known = values.get("nodes_values") or values.get("nodes_values_as_tensor")
    if _length(known) != count:
        raise _refused(node, "have lists of different lengths")
    trees, ids, features, first, second = parts
    inner = np.array([mode != _LEAF for mode in modes])
    _require_within(node, features[inner], width, "features")
    at = {pair: row for row, pair in enumerate(zip(trees.tolist(), ids.tolist(), strict=True))}
    if len(at) != count:
        raise _refused(node, "have a node twice")
    children = [
        at.get((tree, child), -1)
        for side in (first, second)
        for tree, child in zip(trees[inner].tolist(), side[inner].tolist(), strict=True)
    ]
    roots = np.unique(trees, return_index=True)[1]
    _require_forest(node, np.asarray(children, np.int64), roots, count)
    _require_old_leaves(node, values, set(at))


def _require_old_leaves(
    node: NodeProto, values: dict[str, Any], nodes: set[tuple[int, int]]
) -> None:
    kind = "class" if node.op_type == _OLD[0] else "target"
    names = ("treeids", "nodeids", "ids")
    trees, ids, targets = (_whole(node, values, f"{kind}_{name}") for name in names)
    weights = values.get(f"{kind}_weights") or values.get(f"{kind}_weights_as_tensor")
    if not len(trees) == len(ids) == len(targets) == _length(weights):
        raise _refused(node, "have lists of different lengths")
    if not set(zip(trees.tolist(), ids.tolist(), strict=True)) <= nodes:
        raise _refused(node, "have weights of nodes that don't exist")
    labels = values.get("classlabels_int64s") or values.get("classlabels_strings") or ()
    most = len(labels) if kind == "class" else int(values.get("n_targets", 1))
    _require_within(node, targets, most, "targets")


def _require_new(node: NodeProto, values: dict[str, Any], width: int) -> None:
    names = ("featureids", "truenodeids", "trueleafs", "falsenodeids", "falseleafs")
    features, first, leaf1, second, leaf2 = (_whole(node, values, f"nodes_{n}") for n in names)
    count, targets = len(features), _whole(node, values, "leaf_targetids")
    tensors = [_length(values.get(name)) for name in ("nodes_splits", "nodes_modes")]
    if {len(first), len(leaf1), len(second), len(leaf2), *tensors} != {count}:
        raise _refused(node, "have lists of different lengths")
    if _length(values.get("leaf_weights")) != len(targets):
        raise _refused(node, "have lists of different lengths")
    _require_within(node, features, width, "features")
    _require_within(node, targets, int(values.get("n_targets", 1)), "targets")
    inner = np.concatenate([first[leaf1 == 0], second[leaf2 == 0]])
    leaves = np.concatenate([first[leaf1 != 0], second[leaf2 != 0]])
    _require_within(node, leaves, len(targets), "leaves")
    roots = _whole(node, values, "tree_roots")
    _require_forest(node, inner, roots, count)


def _require_forest(
    node: NodeProto, children: NDArray[np.int64], roots: NDArray[np.int64], count: int
) -> None:
    """No node is a child twice, and no root is one: then nothing leads in a circle from a root.

    A circle has no way in from outside, since its nodes have their only parent in it.
    """
    _require_within(node, children, count, "children")
    _require_within(node, roots, count, "roots")
    if len(np.unique(children)) < len(children) or np.isin(roots, children).any():
        raise _refused(node, "lead back to nodes above, or share nodes")


def _require_within(node: NodeProto, found: NDArray[np.int64], most: int, what: str) -> None:
    if len(found) and (found.min() < 0 or found.max() >= most):
        raise _refused(node, f"have {what} that don't exist")


def _whole(node: NodeProto, values: dict[str, Any], name: str) -> NDArray[np.int64]:
    found = values.get(name)
    if found is None:
        raise _refused(node, f"have no {name}")
    return np.asarray(found, np.int64).reshape(-1)


def _length(value: Any) -> int:
    if value is None:
        return 0
    return numpy_helper.to_array(value).size if hasattr(value, "dims") else len(value)


def _refused(node: NodeProto, what: str) -> InvalidInput:
    return InvalidInput(f"the ONNX model's trees ({node.op_type}) {what}", field="FILE")
