"""An ONNX file from elsewhere: as it answers itself, and as serving can load it.

Only its inputs and outputs get other names and shapes; its nodes stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from mlplatform.contracts.columns import Columns
from mlplatform.engine.as_written import as_written
from mlplatform.engine.foreign.file import Classes, ForeignFile, classes_of
from mlplatform.engine.foreign.graph import plain_graph
from mlplatform.engine.foreign.onnx_given import KINDS, inputs_of
from mlplatform.engine.foreign.onnx_outputs import ModelOutputs, outputs_of
from mlplatform.engine.onnx_inputs import BlockInputs
from mlplatform.engine.table import prepare

_DECLARED = {
    "float64": (TensorProto.DOUBLE, TensorProto.FLOAT),
    "int64": (TensorProto.INT64,),
    "bool": (TensorProto.BOOL,),
    "string": (TensorProto.STRING,),
}


@dataclass(frozen=True)
class ForeignGraph:
    """A graph that was checked, and how its inputs and outputs belong to the pipeline."""

    model: ModelProto
    file: ForeignFile
    inputs: dict[str, int]  # name -> type of elements
    order: tuple[str, ...]  # of the features, where the only input is a table of them
    outputs: ModelOutputs
    classes: Classes | None

    @property
    def is_table(self) -> bool:
        """Whether all features come as one input."""
        return len(self.inputs) == 1 and set(self.inputs) != set(self.file.names)

    def session(self) -> ForeignSession:
        """The model as it was given, run by ONNX Runtime."""
        return ForeignSession(self)

    def converted(self) -> bytes:
        """The bytes of a model.onnx."""
        model = ModelProto()
        model.CopyFrom(self.model)
        self._replace_inputs(model)
        self.outputs.rename(model, self.classes)
        return bytes(model.SerializeToString())

    def _replace_inputs(self, model: ModelProto) -> None:
        numbers = {kind for kind in self.inputs.values() if kind in _DECLARED["float64"]}
        number = TensorProto.DOUBLE if TensorProto.DOUBLE in numbers else TensorProto.FLOAT
        blocks = BlockInputs(self.file.features, number)
        if self.is_table:
            blocks.replace_table(model, self.order)
            return
        self._cast_inputs(model, number)
        blocks.replace_columns(model)

    def _cast_inputs(self, model: ModelProto, number: int) -> None:
        """A Cast behind every input whose type is not that of the pipeline's column."""
        casts = []
        for feature in self.file.features:
            kind, name = self.inputs[feature.name], feature.name
            own = number if feature.dtype == "float64" else _DECLARED[feature.dtype][0]
            if kind == own:
                continue
            for node in model.graph.node:
                node.input[:] = [f"{name}.cast" if edge == name else edge for edge in node.input]
            casts.append(helper.make_node("Cast", [name], [f"{name}.cast"], to=kind))
        nodes = [*casts, *model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)


class ForeignSession:
    """Answers of the file itself, fed as its author would."""

    def __init__(self, graph: ForeignGraph) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._graph = graph
        self._session = onnxruntime.InferenceSession(
            graph.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, rows: Columns) -> Columns:
        """Output columns, as Engine.predict has them."""
        graph = self._graph
        label, chances = graph.outputs.label, graph.outputs.probabilities
        names = [name for name in (label, chances) if name]
        found = dict(zip(names, self._session.run(names, self._feed(rows)), strict=True))
        if graph.classes is None:
            return {"prediction": as_written(np.asarray(found[label]).reshape(-1))}
        table = as_written(np.asarray(found[chances]))
        return {"prediction": self._labels(np.asarray(found[label])), "probabilities": table}

    def _labels(self, found: NDArray[Any]) -> NDArray[Any]:
        graph = self._graph
        assert graph.classes is not None
        if graph.outputs.named:
            flat = found.reshape(-1)
            return flat if isinstance(graph.classes[0], int) else flat.astype(object)
        kind = np.int64 if isinstance(graph.classes[0], int) else object
        names = np.array(graph.classes, dtype=kind)
        return np.asarray(names[found.reshape(-1)])

    def _feed(self, rows: Columns) -> dict[str, NDArray[Any]]:
        graph = self._graph
        table = prepare(rows, graph.file.features)
        if not graph.is_table:
            return {
                name: table[name].astype(KINDS[kind]).reshape(-1, 1)
                for name, kind in graph.inputs.items()
            }
        ((name, kind),) = graph.inputs.items()
        columns = [table[each].astype(KINDS[kind]) for each in graph.order]
        return {name: np.stack(columns, axis=1)}


def opened(file: ForeignFile) -> ForeignGraph:
    """Raises InvalidInput for what is refused, or does not fit the pipeline."""
    model = plain_graph(file.data)
    outputs = outputs_of(model, file.task)
    kinds, order = inputs_of(model, file)
    classes = None
    if file.task == "classification":
        known = outputs.known
        count = len(known or file.classes) or outputs.width
        classes = classes_of(file, known, count)
    return ForeignGraph(model, file, kinds, order, outputs.named_by(classes), classes)
