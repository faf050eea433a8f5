"""Run the behavioural cases of cases.yaml through features and exported model: what will serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlplatform.contracts.cases import Case, CaseFile
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.model import Signature
from mlplatform.engine.blame import reason_of
from mlplatform.errors import InvalidInput
from mlplatform.features.parse import to_columns
from mlplatform.source.pipeline_files import read_cases
from mlplatform.trainer.results import CaseResult, Pinned, TrainedModel


def run_cases(pinned: Pinned, model: TrainedModel) -> list[CaseResult]:
    """The result of every case.

    A case whose rows break the columns' contract, or that the model refuses, fails with that as its
    complaint.
    """
    if pinned.files.cases is None:
        return []
    file = read_cases(pinned.files.cases, pinned.definition)
    return [_run(case, file, pinned, model) for case in file.cases]


def _run(case: Case, file: CaseFile, pinned: Pinned, model: TrainedModel) -> CaseResult:
    rows, inputs = file.inputs(case), pinned.features.inputs
    columns, faults = to_columns(
        {column.name: [row[column.name] for row in rows] for column in inputs}, inputs
    )
    if faults:
        return CaseResult(case.name, case.kind, str(faults[0]))
    try:
        predictions = model.engine.predict(pinned.features.apply(columns))
    except Exception as error:  # noqa: BLE001 - features.py and model are foreign code
        return CaseResult(case.name, case.kind, f"no answer: {_reason(error)}")
    found = _values(case, predictions, model.signature)
    return CaseResult(case.name, case.kind, case.verdict(found) or "")


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, InvalidInput) else reason_of(error)


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
