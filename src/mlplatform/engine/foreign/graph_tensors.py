"""Tensors of an ONNX file: their numbers are in the file itself.

ONNX may keep them in other files, by paths that the model names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onnx import AttributeProto, ModelProto, TensorProto

from mlplatform.errors import InvalidInput


def require_own_tensors(model: ModelProto) -> None:
    """Raise InvalidInput for a tensor that is kept in another file, whatever holds it."""
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
            name = tensor.name[:100]
            message = f"the ONNX model keeps the tensor '{name}' in another file"
            raise InvalidInput(message, field="FILE", fix="save it in one file")


def _tensors(model: ModelProto) -> Iterator[Any]:
    graph = model.graph
    yield from graph.initializer
    sparse = list(graph.sparse_initializer)
    for attribute in (one for node in graph.node for one in node.attribute):
        if attribute.type == AttributeProto.TENSOR or attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for one in sparse:
        yield from (one.values, one.indices)
