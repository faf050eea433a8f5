"""A fitted estimator of this process as something to export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.model import Format, Output, Signature
from mlplatform.engine.boosters.found import boosters, require_dense
from mlplatform.engine.onnx_compile import compile_onnx, precisions
from mlplatform.engine.skops import SkopsEngine, frame
from mlplatform.engine.skops_dump import dump_skops
from mlplatform.errors import InvalidInput
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Pinned

Classes = tuple[str, ...] | tuple[int, ...]
Way = tuple[Format, str, Callable[[], bytes]]
"""A format, what reports call this way to write it, and what does."""


class Exportable(Protocol):
    """A model that can predict already, and the ways to write a file that serves.

    Two exist: an estimator that was fitted here, and a file from elsewhere in a child process.
    """

    @property
    def classes(self) -> Classes | None:
        """In the order of the probabilities; None for a regression."""
        ...

    @property
    def fine(self) -> bool:
        """Whether it must be compared next to known numbers, since it splits there."""
        ...

    def predict(self, rows: Columns) -> Columns:
        """Its own answers, which the export must give. Raises whatever the model raises."""
        ...

    def ways(self) -> Iterator[Way]:
        """The ways to write it, the best one first."""
        ...


class FittedModel:
    """See Exportable."""

    def __init__(self, estimator: Any, pinned: Pinned, trusted: Sequence[str]) -> None:
        """Raises InvalidInput for a classifier without probabilities."""
        self._estimator, self._pinned, self._trusted = estimator, pinned, trusted
        classifies = pinned.definition.task == "classification"
        self.classes = _classes(estimator) if classifies else None
        self.fine = bool(boosters(estimator))
        form = signature(self.classes, pinned, "skops")
        self._engine = SkopsEngine(estimator, form)

    def predict(self, rows: Columns) -> Columns:
        """See Exportable.predict."""
        return self._engine.predict(rows)

    def ways(self) -> Iterator[Way]:
        """See Exportable.ways."""
        allowed, features = self._pinned.definition.export.format, self._pinned.features.features
        outputs = [output.name for output in outputs_of(self.classes)]
        if allowed in ("auto", "onnx"):
            for precision in precisions(self._estimator):
                make = partial(
                    compile_onnx, self._estimator, features, outputs, precision=precision
                )
                yield "onnx", f"onnx {precision}", make
        if allowed in ("auto", "skops") and not self.fine:
            yield "skops", "skops", partial(dump_skops, self._estimator, self._trusted)

    def require_onnx(self, rows: LabelledRows) -> None:
        """Raises InvalidInput for a booster that can't leave as ONNX, whatever its trees are."""
        if not self.fine:
            return
        if self._pinned.definition.export.format == "skops":
            raise InvalidInput(
                "a booster is served as ONNX only", field="export.format", fix="take auto or onnx"
            )
        some = frame(rows.features, self._pinned.features.features).head(5)
        require_dense(self._estimator, some)


def signature(classes: Classes | None, pinned: Pinned, kind: Format) -> Signature:
    """What goes in and comes out of a model with these classes."""
    definition = pinned.definition
    return Signature(
        pipeline=definition.name,
        task=definition.task,
        inputs=definition.inputs,
        key=definition.key,
        time=definition.time,
        dropped=definition.dropped,
        features=pinned.features.features,
        outputs=outputs_of(classes),
        classes=classes,
        format=kind,
        model_file=f"model.{kind}",
        features_digest=pinned.digest,
        commit=pinned.commit,
    )


def outputs_of(classes: Classes | None) -> tuple[Output, ...]:
    """What a model with these classes answers per row."""
    if classes is None:
        return (Output(name="prediction", dtype="float64"),)
    label = Output(name="prediction", dtype="int64" if isinstance(classes[0], int) else "string")
    return (label, Output(name="probabilities", dtype="float64", width=len(classes)))


def _classes(estimator: Any) -> Classes:
    names = np.asarray(estimator.classes_)
    if not hasattr(estimator, "predict_proba"):
        raise InvalidInput("model.py: a classifier must have predict_proba", field="model.py")
    return (
        tuple(int(name) for name in names)
        if names.dtype.kind in "iub"
        else tuple(str(name) for name in names)
    )
