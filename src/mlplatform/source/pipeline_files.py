"""The files of one pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from mlplatform import strict_yaml
from mlplatform.contracts.apply_rules import check_definition, check_room
from mlplatform.contracts.cases import CaseFile
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.features.parse import to_columns


@dataclass(frozen=True)
class PipelineFiles:
    """What pipelines/<model>/ holds.

    `features` are the bytes of features.py, which the features digest covers.
    """

    definition: PipelineDefinition
    features: bytes | None
    model: Path
    cases: Path | None


def read(folder: Path) -> PipelineFiles:
    """Read and check the files of a pipeline that is to be applied.

    Raises InvalidInput that names file, line and key.
    """
    where = f"pipelines/{folder.name}/pipeline.yaml"
    document = strict_yaml.read((folder / "pipeline.yaml").read_bytes(), where=where)
    definition = PipelineDefinition.parse(document.content, where=document)
    check_definition(definition, where=document)
    files = _files(folder, definition, document.place(("name",)))
    if files.features is None:
        check_room(definition, where=document)
    if files.cases:
        _check_cases(files.cases, definition, where=f"pipelines/{folder.name}/cases.yaml")
    return files


def read_applied(folder: Path, applied: PipelineDefinition) -> PipelineFiles | None:
    """The files of a pipeline that was applied, or None when pipeline.yaml says something else.

    Rules that are newer than its apply don't refuse it. Raises InvalidInput that names the file.
    """
    where = f"pipelines/{folder.name}/pipeline.yaml"
    data = (folder / "pipeline.yaml").read_bytes()
    content = strict_yaml.read(data, where=where, strict=False).content
    # A version that read 1e-2 as a text has recorded it as one.
    for reading in (content, yaml.safe_load(data)):
        try:
            definition = PipelineDefinition.parse(reading, where=where)
        except InvalidInput:
            continue
        if definition == applied:
            return _files(folder, definition, where)
    return None


def read_cases(path: Path, definition: PipelineDefinition) -> CaseFile:
    """The cases of a pipeline that was applied. Raises InvalidInput that names the case."""
    document = strict_yaml.read(path.read_bytes(), where="cases.yaml", strict=False)
    return CaseFile.parse(document.content, definition, where=document)


def _files(folder: Path, definition: PipelineDefinition, where: str) -> PipelineFiles:
    if definition.name != folder.name:
        raise InvalidInput(
            f"{where}: name is {definition.name}, and its folder is {folder.name}",
            field="name",
            fix="give both the same name",
        )
    model = folder / "model.py"
    if not model.is_file():
        raise InvalidInput(
            f"pipelines/{folder.name} has no model.py",
            field="model.py",
            fix="define build(parameters) there",
        )
    features, cases = folder / "features.py", folder / "cases.yaml"
    return PipelineFiles(
        definition=definition,
        features=features.read_bytes() if features.is_file() else None,
        model=model,
        cases=cases if cases.is_file() else None,
    )


def _check_cases(path: Path, definition: PipelineDefinition, *, where: str) -> None:
    """Also refuse rows of another type than their columns: such a case could never hold."""
    document = strict_yaml.read(path.read_bytes(), where=where)
    file = CaseFile.parse(document.content, definition, where=document)
    for index, case in enumerate(file.cases):
        rows = file.inputs(case)
        named = {column.name: [row[column.name] for row in rows] for column in definition.inputs}
        for fault in to_columns(named, definition.inputs)[1]:
            own = any(fault.column in change for change in case.changes())
            at: strict_yaml.Path = ("cases", index) if own else ("rows", case.row, fault.column)
            raise InvalidInput(
                f"{document.place(at)}: case '{case.name}': {fault.column}: {fault.reason}",
                field=fault.column,
            )
