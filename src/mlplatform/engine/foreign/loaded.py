"""A model that was read in the child: what it is, what it answers, and the files it can become."""

from __future__ import annotations

from typing import Any

from mlplatform.contracts.columns import Columns, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.engine.boosters.found import boosters
from mlplatform.engine.foreign.file import Classes, ForeignFile
from mlplatform.engine.foreign.graph import plain_graph
from mlplatform.engine.foreign.onnx_file import ForeignGraph
from mlplatform.engine.onnx_compile import Precision, compile_onnx, precisions
from mlplatform.engine.skops import SkopsEngine
from mlplatform.engine.skops_dump import dump_skops

_NO_DIGEST = "0" * 64


class LoadedEstimator:
    """An estimator out of a file."""

    def __init__(
        self, file: ForeignFile, estimator: Any, order: tuple[str, ...], classes: Classes | None
    ) -> None:
        self._file, self._estimator = file, estimator
        self._order, self._classes = order, classes
        by_name = {feature.name: feature for feature in file.features}
        own = tuple(by_name[name] for name in order)
        self._engine = SkopsEngine(estimator, _signature(own, file, classes))

    def facts(self) -> dict[str, Any]:
        """What the training has to know."""
        found = boosters(self._estimator)
        ways = [f"onnx {precision}" for precision in precisions(self._estimator)]
        in_order = list(self._order) == self._file.names
        # A skops file is fed in the pipeline's order.
        ways += ["skops"] if not found and in_order else []
        kind = f"{type(self._estimator).__module__}.{type(self._estimator).__name__}"
        return _facts(self._classes, ways, self._order, kind=kind, fine=bool(found))

    def predict(self, rows: Columns) -> Columns:
        """By the library that made it, features in its own order."""
        return self._engine.predict(rows)

    def written(self, way: str) -> bytes:
        """The file that would serve."""
        if way == "skops":
            return dump_skops(self._estimator, self._file.trusted)
        precision: Precision = "float64" if way.endswith("float64") else "float32"
        names = [output.name for output in _outputs(self._classes)]
        features, order = self._file.features, self._order
        data = compile_onnx(self._estimator, features, names, precision=precision, order=order)
        plain_graph(data)
        return data


class LoadedGraph:
    """A graph out of an ONNX file."""

    def __init__(self, graph: ForeignGraph) -> None:
        self._graph = graph
        self._session = graph.session()

    def facts(self) -> dict[str, Any]:
        """What the training has to know."""
        graph = self._graph
        order = graph.order or tuple(graph.file.names)
        return _facts(graph.classes, ["onnx as given"], order, kind="an ONNX graph", fine=True)

    def predict(self, rows: Columns) -> Columns:
        """By ONNX Runtime, of the file as it was given."""
        return self._session.predict(rows)

    def written(self, way: str) -> bytes:
        """The file that would serve."""
        del way
        data = self._graph.converted()
        plain_graph(data)
        return data


def _facts(
    classes: Classes | None, ways: list[str], order: tuple[str, ...], *, kind: str, fine: bool
) -> dict[str, Any]:
    found = None if classes is None else list(classes)
    return {"classes": found, "ways": ways, "order": list(order), "kind": kind, "fine": fine}


def _signature(
    features: tuple[Feature, ...], file: ForeignFile, classes: Classes | None
) -> Signature:
    """Enough of one for the engine that gives the model's own answers."""
    return Signature(
        pipeline="imported",
        task=file.task,
        inputs=(),
        features=features,
        outputs=_outputs(classes),
        classes=classes,
        format="skops",
        model_file="model.skops",
        features_digest=_NO_DIGEST,
        commit="imported",
    )


def _outputs(classes: Classes | None) -> tuple[Output, ...]:
    if classes is None:
        return (Output(name="prediction", dtype="float64"),)
    label = Output(name="prediction", dtype="int64" if isinstance(classes[0], int) else "string")
    return (label, Output(name="probabilities", dtype="float64", width=len(classes)))
