"""Run the behavioural cases of cases.yaml through features and exported model: what will serve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mlplatform.contracts.cases import Case, CaseFile
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.features.parse import to_columns
from mlplatform.trainer.results import CaseResult, Pinned, TrainedModel


def read_cases(path: Path | None, definition: PipelineDefinition) -> CaseFile | None:
    """The cases of a pipeline, or None when it has no cases.yaml.

    Raises InvalidInput that names the case.
    """
    if path is None:
        return None
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InvalidInput(f"cases.yaml: {error}", field="cases.yaml") from error
    return CaseFile.parse(document, definition)


def run_cases(pinned: Pinned, model: TrainedModel) -> list[CaseResult]:
    """The result of every case.

    A case whose rows break the columns' contract fails with that as its complaint.
    """
    file = read_cases(pinned.files.cases, pinned.definition)
    return [_run(case, file, pinned, model) for case in file.cases] if file else []


def _run(case: Case, file: CaseFile, pinned: Pinned, model: TrainedModel) -> CaseResult:
    rows, inputs = file.inputs(case), pinned.features.inputs
    columns, faults = to_columns(
        {column.name: [row[column.name] for row in rows] for column in inputs}, inputs
    )
    if faults:
        return CaseResult(case.name, case.kind, str(faults[0]))
    predictions = model.engine.predict(pinned.features.apply(columns))
    found = _values(case, predictions, model.signature)
    return CaseResult(case.name, case.kind, case.verdict(found) or "")


def _values(case: Case, predictions: Columns, signature: Signature) -> Sequence[Any]:
    """What the case is about: the predictions, or the probabilities of the class it names."""
    if case.wants is None:
        return list(predictions["prediction"].tolist())
    names = [str(name) for name in signature.classes or ()]
    if str(case.wants) not in names:
        raise InvalidInput(
            f"cases.yaml: case '{case.name}': the model has no class '{case.wants}', "
            f"only {', '.join(names)}",
            field="of",
        )
    return list(predictions["probabilities"][:, names.index(str(case.wants))].tolist())
