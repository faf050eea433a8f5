"""A fitted CatBoostClassifier or CatBoostRegressor as trees.

CatBoost compares in float32 and adds in float64. Borders are float32 numbers, so that float64 holds
them as they are.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlplatform.engine.boosters.trees import Ensemble, Link, Tree
from mlplatform.errors import InvalidInput

_LINKS: dict[str, Link] = {
    "CrossEntropy": "sigmoid",
    "Expectile": "identity",
    "Huber": "identity",
    "LogCosh": "identity",
    "Logloss": "sigmoid",
    "MAE": "identity",
    "MAPE": "identity",
    "MultiClass": "softmax",
    "MultiClassOneVsAll": "one-against-all",
    "Poisson": "exp",
    "Quantile": "identity",
    "RMSE": "identity",
    "Tweedie": "exp",
}
_Nulls = Mapping[int, bool]  # feature -> whether a null lies above each of its borders


def read(estimator: Any) -> Ensemble:
    """Raises InvalidInput for what has no proven translation, with what to change."""
    link, model = _link(estimator), _written(estimator)
    scale, offset = model["scale_and_bias"]
    features = model["features_info"]["float_features"]
    nulls = {at: one["nan_value_treatment"] == "AsTrue" for at, one in enumerate(features)}
    places = [int(one["flat_feature_index"]) for one in features]
    trees = [
        tree
        for raw in (model.get("oblivious_trees") or model.get("trees") or ())
        for tree in _trees(raw, len(offset), nulls, places)
    ] or [Tree(leaves=[0.0])]
    return Ensemble(
        "CatBoost",
        tuple(trees),
        len(offset),
        ">",
        np.float64,
        link,
        scale=float(scale),
        offset=tuple(float(one) for one in offset),
        narrow=True,
    )


def _link(estimator: Any) -> Link:
    loss = str(estimator.get_all_params()["loss_function"]).split(":", maxsplit=1)[0]
    if loss not in _LINKS:
        raise _refused(f"has the loss {loss}", f"take one of {', '.join(sorted(_LINKS))}")
    return _LINKS[loss]


def _written(estimator: Any) -> Any:
    """The model as JSON, which CatBoost only writes to files."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.json"
        estimator.save_model(str(file), format="json")
        model = json.loads(file.read_text())
    features = model["features_info"]
    others = sorted(kind for kind in features if kind != "float_features" and features[kind])
    if others:
        raise _refused(
            f"has {', '.join(others).replace('_', ' ')}",
            "leave cat_features, text_features and embedding_features out and encode texts in the "
            "pipeline",
        )
    return model


def _trees(
    raw: Mapping[str, Any], targets: int, nulls: _Nulls, places: Sequence[int]
) -> list[Tree]:
    """One tree per target: in ONNX a leaf has one number."""
    made = _symmetric if "splits" in raw or "leaf_values" in raw else _free
    return [made(raw, target, targets, nulls, places) for target in range(targets)]


def _symmetric(
    raw: Mapping[str, Any], target: int, targets: int, nulls: _Nulls, places: Sequence[int]
) -> Tree:
    """All nodes of a level test the same; split k decides bit k of the leaf's number."""
    tree, splits = Tree(target=target), raw.get("splits") or []
    values = raw["leaf_values"][target::targets]

    def grown(depth: int, number: int) -> int:
        if depth == len(splits):
            return tree.leaf(float(values[number]))
        node = _node(tree, splits[depth], nulls, places)
        tree.first[node] = grown(depth + 1, number | 1 << depth)
        tree.second[node] = grown(depth + 1, number)
        return node

    grown(0, 0)
    return tree


def _free(
    raw: Mapping[str, Any], target: int, targets: int, nulls: _Nulls, places: Sequence[int]
) -> Tree:
    tree = Tree(target=target)
    waiting: list[tuple[Mapping[str, Any], list[int], int]] = [(raw, [0], 0)]
    while waiting:
        here, children, at = waiting.pop()
        if "split" not in here:
            value = here["value"]
            children[at] = tree.leaf(float(value[target] if targets > 1 else value))
            continue
        node = children[at] = _node(tree, here["split"], nulls, places)
        waiting += [(here["left"], tree.second, node), (here["right"], tree.first, node)]
    return tree


def _node(tree: Tree, split: Mapping[str, Any], nulls: _Nulls, places: Sequence[int]) -> int:
    feature = int(split["float_feature_index"])
    # JSON holds the border with more digits than it has.
    return tree.node(places[feature], float(np.float32(split["border"])), missing=nulls[feature])


def _refused(what: str, fix: str) -> InvalidInput:
    return InvalidInput(f"the CatBoost model {what}: {fix}", field="model.py")
