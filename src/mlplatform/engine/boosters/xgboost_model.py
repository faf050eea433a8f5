"""A fitted XGBClassifier or XGBRegressor as trees.

XGBoost compares and adds in float32, from the intercept on; a value that equals a split goes right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlplatform.engine.boosters.trees import Ensemble, Link, Tree
from mlplatform.errors import InvalidInput

_LINKS: dict[str, Link] = {
    "binary:logistic": "sigmoid",
    "count:poisson": "exp",
    "multi:softprob": "softmax",
    "reg:absoluteerror": "identity",
    "reg:gamma": "exp",
    "reg:logistic": "sigmoid",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "reg:squarederror": "identity",
    "reg:squaredlogerror": "identity",
    "reg:tweedie": "exp",
}
_MARGINS: Mapping[str, Callable[[float], float]] = {
    "exp": math.log,
    "sigmoid": lambda share: -math.log(1.0 / share - 1.0),
}


def read(estimator: Any) -> Ensemble:
    """Raises InvalidInput for what has no proven translation, with what to change."""
    learner = _learner(estimator)
    model, sums = learner["gradient_booster"]["model"], learner["learner_model_param"]
    link, targets = _LINKS[learner["objective"]["name"]], max(1, int(sums["num_class"]))
    if int(sums["num_target"]) > 1 or any(_leaf_vector(tree) > 1 for tree in model["trees"]):
        raise _refused("predicts several numbers per row", "train one model per target")
    start = [Tree(target=at, leaves=[one]) for at, one in enumerate(_margins(sums, link, targets))]
    trees = [
        _tree(tree, int(target))
        for tree, target in zip(model["trees"], model["tree_info"], strict=True)
    ]
    missing = np.nan if estimator.missing is None else float(estimator.missing)
    every = (*start, *trees)
    return Ensemble("XGBoost", every, targets, "<", np.float32, link, null=missing)


def _learner(estimator: Any) -> Any:
    """XGBoost's own description of the trees that its predict takes."""
    if callable(estimator.objective):
        raise _refused("has an objective of its own", "take one of XGBoost's by its name")
    booster = estimator.get_booster()
    best = booster.attr("best_iteration")  # in files too, unlike `early_stopping_rounds`
    if best is not None:
        booster = booster[: int(best) + 1]
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    kind, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if kind != "gbtree":
        raise _refused(f"is a {kind} model", "take booster='gbtree'")
    if objective not in _LINKS:
        raise _refused(f"has the objective {objective}", f"take one of {', '.join(sorted(_LINKS))}")
    return learner


def _leaf_vector(tree: Mapping[str, Any]) -> int:
    return int(tree["tree_param"]["size_leaf_vector"])


def _margins(sums: Mapping[str, Any], link: Link, targets: int) -> list[float]:
    """The intercept of each target, before the link; files hold it behind the link."""
    written = json.loads(str(sums["base_score"]).strip())
    values = [float(one) for one in (written if isinstance(written, list) else [written])]
    to_margin = _MARGINS.get(link)
    margins = [to_margin(one) for one in values] if to_margin else values
    return margins if len(margins) == targets else margins * targets


def _tree(raw: Mapping[str, Any], target: int) -> Tree:
    if raw["categories_nodes"]:
        raise _refused(
            "splits by categories", "turn enable_categorical off and encode texts in the pipeline"
        )
    tree, left, right = Tree(target=target), raw["left_children"], raw["right_children"]
    values = raw["split_conditions"]
    names = [
        tree.node(int(feature), float(value), missing=bool(default))
        if child >= 0
        else tree.leaf(float(value))
        for feature, value, default, child in zip(
            raw["split_indices"], values, raw["default_left"], left, strict=True
        )
    ]
    for name, first, second in zip(names, left, right, strict=True):
        if name >= 0:
            tree.first[name], tree.second[name] = names[first], names[second]
    return tree


def _refused(what: str, fix: str) -> InvalidInput:
    return InvalidInput(f"the XGBoost model {what}: {fix}", field="model.py")
