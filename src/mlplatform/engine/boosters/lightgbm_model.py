"""A fitted LGBMClassifier or LGBMRegressor as trees.

LightGBM compares and adds in float64. Where training has seen no null of a feature, it takes a null
for 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlplatform.engine.boosters.trees import Ensemble, Link, Tree
from mlplatform.errors import InvalidInput

_INFINITE = 1e300
_LINKS: dict[str, Link] = {
    "binary": "sigmoid",
    "fair": "identity",
    "gamma": "exp",
    "huber": "identity",
    "mape": "identity",
    "multiclass": "softmax",
    "multiclassova": "one-against-all",
    "poisson": "exp",
    "quantile": "identity",
    "regression": "identity",
    "regression_l1": "identity",
    "tweedie": "exp",
}


def read(estimator: Any) -> Ensemble:
    """Raises InvalidInput for what has no proven translation, with what to change."""
    if callable(estimator.objective):
        raise _refused("has an objective of its own", "take one of LightGBM's by its name")
    if estimator.get_params().get("pred_early_stop"):
        raise _refused("leaves trees out of a prediction", "turn pred_early_stop off")
    model = estimator.booster_.dump_model()  # as many trees as its predict takes
    name, *options = str(model.get("objective", "")).split()
    if name not in _LINKS:
        known = ", ".join(sorted(_LINKS))
        raise _refused(f"has the objective {name}", f"take one of {known}")
    if "sqrt" in options:
        raise _refused("learns the root of the target", "turn reg_sqrt off")
    targets, raw = int(model["num_tree_per_iteration"]), model["tree_info"]
    trees = [_tree(one["tree_structure"], at % targets) for at, one in enumerate(raw)]
    return Ensemble(
        "LightGBM",
        tuple(trees),
        targets,
        "<=",
        np.float64,
        _LINKS[name],
        scale=targets / len(trees) if model["average_output"] else 1.0,
        steepness=_option(options, "sigmoid"),
    )


def _option(options: list[str], name: str) -> float:
    return next((float(one.split(":")[1]) for one in options if one.startswith(f"{name}:")), 1.0)


def _tree(root: Mapping[str, Any], target: int) -> Tree:
    tree = Tree(target=target)
    # A stack, not recursion: a tree may be as deep as it has leaves.
    waiting: list[tuple[Mapping[str, Any], list[int], int]] = [(root, [0], 0)]
    while waiting:
        raw, children, at = waiting.pop()
        if "split_feature" not in raw:
            children[at] = tree.leaf(_leaf(raw))
            continue
        split = _threshold(raw) if raw["decision_type"] == "<=" else _categories()
        node = tree.node(int(raw["split_feature"]), split, missing=_null_goes_left(raw, split))
        children[at] = node
        waiting += [(raw["right_child"], tree.second, node), (raw["left_child"], tree.first, node)]
    return tree


def _threshold(raw: Mapping[str, Any]) -> float:
    """LightGBM writes 1e300 for infinity, in a split that parts numbers from nulls."""
    split = float(raw["threshold"])
    return math.copysign(math.inf, split) if abs(split) >= _INFINITE else split


def _leaf(raw: Mapping[str, Any]) -> float:
    if "leaf_coeff" in raw:
        raise _refused("has linear trees", "turn linear_tree off")
    return float(raw["leaf_value"])


def _categories() -> float:
    raise _refused(
        "splits by categories", "leave categorical_feature out and encode texts in the pipeline"
    )


def _null_goes_left(raw: Mapping[str, Any], split: float) -> bool:
    if raw["missing_type"] == "Zero":
        raise _refused("takes zeros for nulls", "turn zero_as_missing off")
    return bool(raw["default_left"]) if raw["missing_type"] == "NaN" else split >= 0.0


def _refused(what: str, fix: str) -> InvalidInput:
    return InvalidInput(f"the LightGBM model {what}: {fix}", field="model.py")
