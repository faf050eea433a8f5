"""Trees as the attributes of one TreeEnsemble node of ai.onnx.ml."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper

from mlplatform.engine.boosters.trees import Ensemble, Test, Tree
from mlplatform.errors import InvalidInput

OPERATOR = "TreeEnsemble"
_VERSION = 5
"""Of ai.onnx.ml: the first whose trees take, compare and give float64."""
_OLDER = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor"})
_MODES: dict[Test, int] = {"<=": 0, "<": 1, ">": 3}
_SUM = 1
_NO_LINK = 0


def attributes(model: Ensemble) -> dict[str, Any]:
    """What helper.make_node takes. Leaves are added in the order of the trees."""
    rows = _Rows()
    for tree in model.trees:
        rows.add(tree)
    count = len(rows.features)
    return {
        "n_targets": model.targets,
        "aggregate_function": _SUM,
        "post_transform": _NO_LINK,
        "tree_roots": rows.roots,
        "nodes_modes": _tensor("modes", np.full(count, _MODES[model.test]), np.uint8),
        "nodes_featureids": rows.features,
        "nodes_splits": _tensor("splits", rows.splits, model.number),
        "nodes_missing_value_tracks_true": rows.missing,
        "nodes_truenodeids": [at for at, _ in rows.first],
        "nodes_trueleafs": [leaf for _, leaf in rows.first],
        "nodes_falsenodeids": [at for at, _ in rows.second],
        "nodes_falseleafs": [leaf for _, leaf in rows.second],
        "leaf_targetids": rows.targets,
        "leaf_weights": _tensor("leaves", rows.leaves, model.number),
    }


def declare(model: Any) -> None:
    """Let a model that has such trees say so.

    Raises InvalidInput where it has trees of an older version as well: no runtime takes both.
    """
    kinds = {node.op_type for node in model.graph.node}
    if OPERATOR not in kinds:
        return
    if kinds & _OLDER:
        raise InvalidInput(
            "trees of scikit-learn and of a booster can't be in one ONNX model: take one kind",
            field="model.py",
        )
    for one in model.opset_import:
        if one.domain == "ai.onnx.ml":
            one.version = _VERSION


def _tensor(name: str, values: Any, kind: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values, dtype=kind), name)


class _Rows:
    """The nodes and leaves of all trees in one list each."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.features: list[int] = []
        self.splits: list[float] = []
        self.missing: list[int] = []
        self.first: list[tuple[int, int]] = []  # number, and 1 for a leaf
        self.second: list[tuple[int, int]] = []
        self.targets: list[int] = []
        self.leaves: list[float] = []

    def add(self, tree: Tree) -> None:
        nodes, leaves = len(self.features), len(self.leaves)

        def child(at: int) -> tuple[int, int]:
            return (nodes + at, 0) if at >= 0 else (leaves + ~at, 1)

        self.roots.append(nodes)
        self.leaves += tree.leaves
        self.targets += [tree.target] * len(tree.leaves)
        if not tree.features:  # ONNX has no tree without an inner node: both ways lead to the leaf
            tree = Tree(features=[0], splits=[0.0], missing=[False], first=[~0], second=[~0])
        self.features += tree.features
        self.splits += tree.splits
        self.missing += [int(one) for one in tree.missing]
        self.first += [child(at) for at in tree.first]
        self.second += [child(at) for at in tree.second]
