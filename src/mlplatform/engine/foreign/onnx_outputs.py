"""What an ONNX file from elsewhere answers: a number, or a class and its probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from mlplatform.engine.foreign.file import Classes
from mlplatform.engine.foreign.graph import attribute
from mlplatform.errors import InvalidInput

_NUMBERS = (TensorProto.FLOAT, TensorProto.DOUBLE)
_LABELS = (TensorProto.INT64, TensorProto.STRING)
_CLASSES = ("classlabels_int64s", "classlabels_strings", "classlabels_ints")


@dataclass(frozen=True)
class ModelOutputs:
    """Names of the outputs, and the classes that the file names (None: it names none)."""

    label: str
    probabilities: str = ""
    known: list[str | int] | None = None
    width: int = 0  # of the probabilities, where shapes say it
    named: bool = True  # whether labels are classes already, not their numbers

    def named_by(self, classes: Classes | None) -> ModelOutputs:
        """The same, with `named` as it is for these classes."""
        numbers = classes is not None and list(classes) != (self.known or [])
        return replace(self, named=not numbers)

    def rename(self, model: ModelProto, classes: Classes | None) -> None:
        """Give the outputs the names that serving knows, and labels those of the classes."""
        types = {one.name: one.type for one in model.graph.output}
        del model.graph.output[:]
        label, kind = self.label, types[self.label].tensor_type.elem_type
        if not self.named and classes is not None:
            label, kind = self._translated(model, classes)
        self._end(model, "prediction", label, types[self.label], kind)
        if self.probabilities:
            chances = types[self.probabilities]
            own = chances.tensor_type.elem_type
            self._end(model, "probabilities", self.probabilities, chances, own)

    def _translated(self, model: ModelProto, classes: Classes) -> tuple[str, int]:
        """The tensor of the classes' names by their numbers, and the type of its elements."""
        whole = isinstance(classes[0], int)
        names = [name if isinstance(name, int) else name.encode() for name in classes]
        values = np.array(names, dtype=np.int64 if whole else object)
        model.graph.initializer.append(numpy_helper.from_array(values, "prediction.classes"))
        inputs, edge = ["prediction.classes", self.label], "prediction.named"
        model.graph.node.append(helper.make_node("Gather", inputs, [edge]))
        return edge, TensorProto.INT64 if whole else TensorProto.STRING

    @staticmethod
    def _end(model: ModelProto, name: str, edge: str, shape: Any, kind: int) -> None:
        """An output of that name and type, with the shape of the former one."""
        if edge != name:
            model.graph.node.append(helper.make_node("Identity", [edge], [name]))
        made = model.graph.output.add(name=name)
        made.type.CopyFrom(shape)
        made.type.tensor_type.elem_type = kind


def outputs_of(model: ModelProto, task: str) -> ModelOutputs:
    """The outputs of a graph, a ZipMap before them taken away.

    Raises InvalidInput for others than one number per row, or a label and probabilities.
    """
    known = _known(model)
    _unzip(model)
    found = {one.name: one.type.tensor_type for one in model.graph.output}
    numbers = [name for name, kind in found.items() if kind.elem_type in _NUMBERS]
    labels = [name for name, kind in found.items() if kind.elem_type in _LABELS]
    if task == "regression" and len(found) == len(numbers) == 1:
        return ModelOutputs(numbers[0])
    if task == "classification" and len(found) == 2 and len(numbers) == len(labels) == 1:
        dims = found[numbers[0]].shape.dim
        width = int(dims[1].dim_value) if len(dims) == 2 else 0
        return ModelOutputs(labels[0], numbers[0], known, width)
    wanted = "one number" if task == "regression" else "a class, and one probability per class,"
    raise InvalidInput(
        f"the ONNX model's outputs are {', '.join(found) or 'none'}; the pipeline is a {task}, "
        f"which needs {wanted} per row",
        field="FILE",
    )


def _known(model: ModelProto) -> list[str | int] | None:
    """The classes that the last node with such names has."""
    for node in reversed(model.graph.node):
        for name in _CLASSES:
            if found := attribute(node, name):
                return [one.decode() if isinstance(one, bytes) else int(one) for one in found]
    return None


def _unzip(model: ModelProto) -> None:
    """Take a ZipMap away: it makes dictionaries of the table that is wanted here."""
    graph = model.graph
    for node in [one for one in graph.node if one.op_type == "ZipMap"]:
        table, name = node.input[0], node.output[0]
        if name not in [one.name for one in graph.output]:
            raise InvalidInput("the ONNX model has a ZipMap before its end", field="FILE")
        graph.node.remove(node)
        width = max(len(attribute(node, each) or ()) for each in _CLASSES)
        kept = [one for one in graph.output if one.name != name]
        shape: list[Any] = [None, width]
        kind = _kind_of(model, table)
        made = helper.make_tensor_value_info(table, kind, shape)
        outputs = [*kept, made]
        del graph.output[:]
        graph.output.extend(outputs)


def _kind_of(model: ModelProto, edge: str) -> int:
    """The type of a tensor's elements as the operators make it; else float, as ZipMap takes it."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    known = [one for one in inferred.value_info if one.name == edge]
    return int(known[0].type.tensor_type.elem_type) if known else int(TensorProto.FLOAT)
