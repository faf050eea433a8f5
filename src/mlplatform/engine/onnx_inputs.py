"""Give a compiled graph one input per type instead of one per column.

skl2onnx makes an input of each column, and nodes that put columns together again. ONNX Runtime
would be called with as many tensors as there are columns: of 30, that costs more than the model.
Only training does this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Feature
from mlplatform.engine.onnx_feed import input_name

_TYPES: dict[str, int] = {
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}
_BY_COLUMN = (1, -1)  # axes of [rows, columns]
_OPSET = 13
"""Of the nodes that are added, where a graph has none but those of ai.onnx.ml."""


class _ColumnAt(NamedTuple):
    """Where a column lies: in which tensor of shape [rows, columns]."""

    tensor: str
    at: int


class _BlockTensor(NamedTuple):
    """The type of a tensor's elements, and how many columns it has."""

    type: int
    width: int


class BlockInputs:
    """The inputs of a graph by type, and the nodes that take columns out of them.

    `number` is the element type in which float64 features are computed.
    """

    def __init__(self, features: Sequence[Feature], number: int) -> None:
        types = _TYPES | {"float64": number}
        self._number = number
        self._tensors: dict[str, _BlockTensor] = {}
        self._places: dict[str, _ColumnAt] = {}
        for block in BlockLayout(features).blocks:
            tensor = input_name(block.dtype)
            self._tensors[tensor] = _BlockTensor(types[block.dtype], len(block.names))
            self._places |= {name: _ColumnAt(tensor, at) for at, name in enumerate(block.names)}
        self._inputs = dict(self._tensors)
        self._casts: list[NodeProto] = []

    def replace_columns(self, model: ModelProto) -> None:
        """For a graph that has an input per feature, named as it is."""
        graph = model.graph
        nodes = [new for node in list(graph.node) for new in self._rewritten(node, graph)]
        read = {*_edges_read(nodes), *(output.name for output in graph.output)}
        single = [
            new
            for edge, place in self._places.items()
            if edge in read
            for new in self._joined([place], edge, graph)
        ]
        self._finish(model, [*single, *nodes])

    def replace_table(self, model: ModelProto, order: Sequence[str]) -> None:
        """For a graph that has one input, which is all features in that order as numbers."""
        graph = model.graph
        places = [self._cast(self._places[name], self._number) for name in order]
        self._finish(model, [*self._joined(places, graph.input[0].name, graph), *graph.node])

    def _finish(self, model: ModelProto, nodes: Sequence[NodeProto]) -> None:
        graph, nodes = model.graph, [*self._casts, *nodes]
        read = set(_edges_read(nodes))
        for field in (graph.node, graph.input, graph.value_info):
            del field[:]
        graph.node.extend(nodes)
        graph.input.extend(
            helper.make_tensor_value_info(name, tensor.type, [None, tensor.width])
            for name, tensor in self._inputs.items()
            if name in read
        )
        # skl2onnx lists them in the order of a set, some twice: equal models have equal bytes.
        versions = {"": _OPSET} | {one.domain: one.version for one in model.opset_import}
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(*one) for one in sorted(versions.items()))

    def _rewritten(self, node: NodeProto, graph: GraphProto) -> list[NodeProto]:
        """The nodes that do the same with blocks; reads of single columns stay."""
        places, kind = self._places, node.op_type
        if kind == "Cast" and node.input[0] in places:
            to = int(_attribute(node, "to"))
            places[node.output[0]] = self._cast(places[node.input[0]], to)
            return []
        if kind == "CastLike" and node.input[1] in places:
            node.input[1] = places[node.input[1]].tensor
        if kind == "Concat" and _attribute(node, "axis") in _BY_COLUMN:
            return list(self._runs(node, graph))
        if kind == "FeatureVectorizer" and all(edge in places for edge in node.input):
            columns = [places[edge] for edge in node.input]
            if not self._widened(node, columns, graph):
                columns = [self._cast(column, TensorProto.FLOAT) for column in columns]
            return self._joined(columns, node.output[0], graph)
        return [node]

    def _widened(self, node: NodeProto, columns: Sequence[_ColumnAt], graph: GraphProto) -> bool:
        """Whether float64 goes in, and is wanted of what comes out: float32 would only round it."""
        if any(self._tensors[place.tensor].type != TensorProto.DOUBLE for place in columns):
            return False
        readers = [one for one in graph.node if node.output[0] in one.input]
        return all(one.op_type == "CastLike" for one in readers)

    def _cast(self, place: _ColumnAt, to: int) -> _ColumnAt:
        """The column in a tensor of that type; there is one cast per block and type."""
        tensor = self._tensors[place.tensor]
        if tensor.type == to:
            return place
        name = f"{place.tensor}.{TensorProto.DataType.Name(to).lower()}"
        if name not in self._tensors:
            self._tensors[name] = _BlockTensor(to, tensor.width)
            self._casts.append(helper.make_node("Cast", [place.tensor], [name], to=to))
        return _ColumnAt(name, place.at)

    def _runs(self, node: NodeProto, graph: GraphProto) -> Iterator[NodeProto]:
        """A Concat in which columns that follow one another are taken together."""
        edges: list[str] = []
        for known, run in groupby(list(node.input), key=self._places.__contains__):
            names = list(run)
            if not known:
                edges += names
                continue
            whole = len(names) == len(node.input)
            edge = node.output[0] if whole else f"{node.output[0]}.{len(edges)}"
            yield from self._joined([self._places[name] for name in names], edge, graph)
            if whole:
                return
            edges.append(edge)
        del node.input[:]
        node.input.extend(edges)
        yield node

    def _joined(
        self, columns: Sequence[_ColumnAt], edge: str, graph: GraphProto
    ) -> list[NodeProto]:
        """Nodes that make a tensor of these columns, which are of one type."""
        tensors = list(dict.fromkeys(place.tensor for place in columns))
        starts, width = dict[str, int](), 0
        for tensor in tensors:
            starts[tensor], width = width, width + self._tensors[tensor].width
        source, nodes = tensors[0], list[NodeProto]()
        if len(tensors) > 1:
            source = f"{edge}.blocks"
            nodes.append(helper.make_node("Concat", tensors, [source], axis=1))
        order = [starts[place.tensor] + place.at for place in columns]
        if order == list(range(width)):
            return [*nodes, helper.make_node("Identity", [source], [edge])]
        indices = numpy_helper.from_array(np.array(order, dtype=np.int64), f"{edge}.columns")
        graph.initializer.append(indices)
        return [*nodes, helper.make_node("Gather", [source, indices.name], [edge], axis=1)]


def _attribute(node: NodeProto, name: str) -> Any:
    return next(helper.get_attribute_value(one) for one in node.attribute if one.name == name)


def _edges_read(nodes: Sequence[NodeProto]) -> Iterator[str]:
    """By the nodes, and by those of the graphs inside of them."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            yield from _edges_read(attribute.g.node)
