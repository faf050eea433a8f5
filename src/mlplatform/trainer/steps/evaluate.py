"""Evaluate an exported model on labelled rows."""

from __future__ import annotations

from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.engine.interface import Engine
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.metrics import Classes, measure, of_task
from mlplatform.trainer.results import Evaluation


def evaluate(
    engine: Engine, signature: Signature, rows: LabelledRows, definition: PipelineDefinition
) -> Evaluation:
    """Predictions for the rows, and every metric of the pipeline's task against their labels."""
    predictions = engine.predict(rows.features)
    classes = Classes(signature.classes, definition) if signature.classes is not None else None
    metrics = measure(rows.labels, predictions, classes, of_task(definition))
    return Evaluation(predictions, classes, dict(metrics.items()))
