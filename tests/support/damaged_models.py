"""Files that are no sound models of the format that they are given as: each must end its import."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import skops.io
import xgboost
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

WIDTH = 3
_DRAW = np.random.default_rng(0)
ROWS = _DRAW.normal(size=(80, WIDTH)).astype(np.float32)
LABELS = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)


class _RunsCode:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


class _Tells:
    """Says in an error what code in a file can see and reach."""

    def __reduce__(self) -> Any:
        return exec, (_TELLS,)


_TELLS = """
import os, socket
try:
    socket.create_connection(("127.0.0.1", 9), 1)
except OSError as error:
    found = error.strerror
raise ValueError(f"{sorted(name for name in os.environ if 'TOKEN' in name or 'MLPLATFORM' in name)}"
    f" {found}")
"""


def telling() -> bytes:
    """A pickle whose code ends its import with an error that says what it has found."""
    return pickle.dumps(_Tells())


def damaged(mark: Path) -> dict[str, tuple[str, bytes]]:
    """Name -> the format that it is given as, and its bytes. A file at `mark` means code ran."""
    whole, found = sound(), dict[str, tuple[str, bytes]]()
    for kind, data in whole.items():
        found[f"{kind} cut short"] = (kind, data[: len(data) // 2])
        found[f"{kind} of zeros"] = (kind, bytes(200))
        found[f"pickle as {kind}"] = (kind, pickle.dumps(_RunsCode(mark)))
    for kind, other in zip(whole, [*list(whole)[1:], next(iter(whole))], strict=True):
        found[f"{other} as {kind}"] = (kind, whole[other])
    found |= {f"onnx with {name}": ("onnx", make()) for name, make in _GRAPHS.items()}
    found["skops bomb"] = ("skops", _bomb())
    found["skops with a type of os"] = ("skops", _with_system(whole["skops"]))
    found["xgboost with short lists"] = ("xgboost", _short_lists(whole["xgboost"]))
    found["xgboost with children elsewhere"] = ("xgboost", _lost_children(whole["xgboost"]))
    found["lightgbm with short lists"] = ("lightgbm", _short_tree(whole["lightgbm"]))
    found["lightgbm with a feature beyond"] = ("lightgbm", _beyond(whole["lightgbm"]))
    return found


def flipped(count: int) -> dict[str, tuple[str, bytes]]:
    """Sound files in which some bytes are others: they may still be models."""
    found = {}
    for kind, data in sound().items():
        for number in range(count):
            changed = bytearray(data)
            for at in _DRAW.integers(0, len(data), 8):
                changed[at] ^= 1 << int(_DRAW.integers(0, 8))
            found[f"{kind} flipped {number}"] = (kind, bytes(changed))
    return found


def sound() -> dict[str, bytes]:
    """Format -> the bytes of a model that can be imported."""
    linear = LogisticRegression().fit(ROWS, LABELS)
    small = xgboost.XGBClassifier(n_estimators=3, max_depth=3).fit(ROWS, LABELS)
    light = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1)
    text = light.fit(ROWS, LABELS).booster_.model_to_string()
    return {
        "onnx": to_onnx(linear, ROWS[:1], options={"zipmap": False}).SerializeToString(),
        "skops": skops.io.dumps(linear),
        "xgboost": bytes(small.get_booster().save_raw("json")),
        "lightgbm": text.encode(),
    }


def _graph(nodes: list[Any], tensors: list[Any] | None = None, **more: Any) -> bytes:
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, WIDTH])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    out.type.tensor_type.shape.SetInParent()
    graph = helper.make_graph(nodes, "model", [rows], [out], tensors or [])
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=[*domains, *more.pop("domains", [])], **more)
    return bytes(model.SerializeToString())


def _external() -> bytes:
    tensor = helper.make_tensor("outside", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    return _graph([helper.make_node("Add", ["rows", "outside"], ["out"])], [tensor])


def _custom() -> bytes:
    node = helper.make_node("Run", ["rows"], ["out"], domain="com.example")
    return _graph([node], domains=[helper.make_opsetid("com.example", 1)])


def _branch() -> bytes:
    inner_out = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [None, WIDTH])
    inner = helper.make_graph(
        [helper.make_node("Identity", ["rows"], ["inner"])], "inner", [], [inner_out]
    )
    flag = helper.make_tensor("flag", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["flag"], ["out"], then_branch=inner, else_branch=inner)
    return _graph([node], [flag])


def _loop() -> bytes:
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, None)
    state.type.tensor_type.shape.SetInParent()
    going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
    again = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
    after = helper.make_tensor_value_info("after", TensorProto.FLOAT, None)
    after.type.tensor_type.shape.SetInParent()
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["again"]),
            helper.make_node("Identity", ["state"], ["after"]),
        ],
        "body",
        [count, going, state],
        [again, after],
    )
    flag = helper.make_tensor("flag", TensorProto.BOOL, [], [True])
    return _graph([helper.make_node("Loop", ["", "flag", "rows"], ["out"], body=body)], [flag])


def _deep() -> bytes:
    names = ["rows", *(f"at{number}" for number in range(6000)), "out"]
    return _graph([helper.make_node("Neg", [a], [b]) for a, b in pairwise(names)])


def _function() -> bytes:
    inner = helper.make_node("Neg", ["x"], ["y"])
    own = helper.make_function(
        "ai.onnx.ml", "Hidden", ["x"], ["y"], [inner], [helper.make_opsetid("", 18)]
    )
    node = helper.make_node("Hidden", ["rows"], ["out"], domain="ai.onnx.ml")
    return _graph([node], functions=[own])


def _random() -> bytes:
    return _graph([helper.make_node("RandomNormalLike", ["rows"], ["out"])])


def _circle() -> bytes:
    """A tree whose lowest inner node leads back to the root."""
    return _tree("nodes_truenodeids", lambda ids: [0 if one else one for one in ids])


def _feature() -> bytes:
    """A tree that reads a column which no row has."""
    return _tree("nodes_featureids", lambda ids: [one + 100_000 for one in ids])


def _tree(name: str, change: Callable[[list[int]], list[int]]) -> bytes:
    trained = DecisionTreeClassifier(max_depth=3).fit(ROWS, LABELS)
    model = to_onnx(trained, ROWS[:1], options={"zipmap": False})
    node = next(one for one in model.graph.node if one.op_type == "TreeEnsembleClassifier")
    attribute = next(one for one in node.attribute if one.name == name)
    changed = change(list(attribute.ints))
    del attribute.ints[:]
    attribute.ints.extend(changed)
    return bytes(model.SerializeToString())


_GRAPHS: dict[str, Callable[[], bytes]] = {
    "a tensor in another file": _external,
    "an operator of its own": _custom,
    "a branch": _branch,
    "a loop": _loop,
    "6000 nodes in a row": _deep,
    "a function": _function,
    "random numbers": _random,
    "a tree in a circle": _circle,
    "a feature beyond": _feature,
}


def graph(name: str) -> onnx.ModelProto:
    """One of the refused graphs."""
    return onnx.load_model_from_string(_GRAPHS[name]())


def _bomb() -> bytes:
    """20 MiB of zeros in 20 KiB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (20 << 20))
    return out.getvalue()


def _with_system(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(out, "w") as archive:
        for name in given.namelist():
            content = given.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                schema |= {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
                content = json.dumps(schema).encode()
            archive.writestr(name, content)
    return out.getvalue()


def _trees(document: Any) -> Any:
    return document["learner"]["gradient_booster"]["model"]["trees"]


def _short_lists(data: bytes) -> bytes:
    document = json.loads(data)
    for tree in _trees(document):
        tree["split_conditions"] = tree["split_conditions"][:2]
    return json.dumps(document).encode()


def _lost_children(data: bytes) -> bytes:
    document = json.loads(data)
    for tree in _trees(document):
        tree["left_children"] = [one + 4000 if one > 0 else one for one in tree["left_children"]]
    return json.dumps(document).encode()


def _beyond(data: bytes) -> bytes:
    """In as many bytes: the file says how long each tree is."""
    return re.sub(rb"(?m)^split_feature=\d", b"split_feature=9", data)


def _short_tree(data: bytes) -> bytes:
    """Children in other places, in as many bytes."""
    return re.sub(rb"(?m)^(left_child=)\d", rb"\g<1>9", data)
