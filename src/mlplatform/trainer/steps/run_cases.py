"""Behavioural cases of cases.yaml, run through the exported model and the pipeline's features: what will really serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlplatform.contracts.cases import Case, CaseFile
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.model import Signature
from mlplatform.engine.interface import Engine
from mlplatform.errors import InvalidInput
from mlplatform.features.code import FeatureSet
from mlplatform.features.parse import to_columns


@dataclass(frozen=True)
class CaseResult:
    """One case; `complaint` is empty when it holds."""

    name: str
    kind: str
    complaint: str

    @property
    def passed(self) -> bool:
        """True when the case holds."""
        return not self.complaint


def read_cases(path: Path | None, definition: Any) -> CaseFile | None:
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


def run_cases(
    file: CaseFile | None, features: FeatureSet, engine: Engine, signature: Signature
) -> list[CaseResult]:
    """The result of every case.

    A case whose rows break the columns' contract fails with that as its complaint.
    """
    return [_run(case, file, features, engine, signature) for case in file.cases] if file else []


def _run(
    case: Case, file: CaseFile, features: FeatureSet, engine: Engine, signature: Signature
) -> CaseResult:
    rows = file.inputs(case)
    columns, faults = to_columns(
        {column.name: [row[column.name] for row in rows] for column in features.inputs},
        features.inputs,
    )
    if faults:
        return CaseResult(case.name, case.kind, str(faults[0]))
    answers = engine.predict(features.apply(columns))
    return CaseResult(case.name, case.kind, case.verdict(_numbers(case, answers, signature)) or "")


def _numbers(case: Case, answers: Columns, signature: Signature) -> Sequence[Any]:
    if case.wants is None:
        return list(answers["prediction"].tolist())
    names = [str(name) for name in signature.classes or ()]
    if str(case.wants) not in names:
        raise InvalidInput(
            f"cases.yaml: case '{case.name}': the model has no class '{case.wants}', only {', '.join(names)}",
            field="of",
        )
    return list(answers["probabilities"][:, names.index(str(case.wants))].tolist())
