"""Is an ONNX file a plain graph? Checked before ONNX Runtime sees it, and again of what will serve.

Refused is what could read files, hide code from these checks, never end, or lead a runtime's C++
out of its arrays: tensors in other files, domains of custom operators, functions, graphs inside of
nodes (If, Loop, Scan), random numbers, trees with children or features that don't exist.
"""

from __future__ import annotations

from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto

from mlplatform.engine.foreign.graph_tensors import require_own_tensors
from mlplatform.engine.foreign.graph_trees import require_sound_trees
from mlplatform.errors import InvalidInput

MOST_BYTES = 512 << 20
MOST_NODES = 50_000
MOST_DEPTH = 5_000
"""Nodes one after the other. Of scikit-learn's estimators AdaBoost's are deepest: ten a tree."""
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_RANDOM = (
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
)


def plain_graph(data: bytes) -> ModelProto:
    """The model of an ONNX file. Raises InvalidInput that says what in it is refused."""
    if len(data) > MOST_BYTES:
        raise _refused(f"has {len(data)} bytes, {MOST_BYTES} are allowed")
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise _refused(f"can't be read: {error}") from error
    if not model.ir_version or not model.graph.output or not model.opset_import:
        raise _refused("can't be read: it has no graph")
    _require_domains(model)
    _require_nodes(model)
    require_own_tensors(model)
    _require_depth(model)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker raises more than its own class
        raise _refused(f"is not valid: {' '.join(str(error).split())[:300]}") from error
    require_sound_trees(model)
    return model


def _require_domains(model: ModelProto) -> None:
    if model.functions or model.training_info:
        raise _refused("defines functions or a training of its own")
    strange = {one.domain for one in (*model.opset_import, *model.graph.node)} - set(DOMAINS)
    if strange:
        raise _refused(
            f"uses operators of {', '.join(sorted(strange))}; allowed are those of ai.onnx and "
            "ai.onnx.ml"
        )


def _require_nodes(model: ModelProto) -> None:
    nodes = model.graph.node
    if len(nodes) > MOST_NODES:
        raise _refused(f"has {len(nodes)} nodes, {MOST_NODES} are allowed")
    versions = {one.domain: one.version for one in model.opset_import}
    for node in nodes:
        domain = "" if node.domain == "ai.onnx" else node.domain
        version = versions.get(node.domain, versions.get(domain, 0))
        if not onnx.defs.has(node.op_type, max(1, version), domain):
            raise _refused(f"has an operator {node.op_type} that ONNX {version} does not have")
        if node.op_type in _RANDOM:
            raise _refused(f"draws random numbers ({node.op_type})")
        if any(one.HasField("g") or one.graphs or one.ref_attr_name for one in node.attribute):
            raise _refused(f"has a graph inside of a node ({node.op_type})")


def _require_depth(model: ModelProto) -> None:
    """Nodes stand after those that they read, which the checker proves; so one pass is enough."""
    depth: dict[str, int] = {}
    for node in model.graph.node:
        own = 1 + max((depth.get(edge, 0) for edge in node.input), default=0)
        if own > MOST_DEPTH:
            raise _refused(f"has more than {MOST_DEPTH} nodes one after the other")
        depth |= dict.fromkeys(node.output, own)


def attribute(node: NodeProto, name: str) -> Any:
    """The value of a node's attribute; None where it has none."""
    found = next((one for one in node.attribute if one.name == name), None)
    return None if found is None else onnx.helper.get_attribute_value(found)


def _refused(what: str) -> InvalidInput:
    return InvalidInput(f"the ONNX model {what}", field="FILE")
