"""The files of one pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput


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
    """Read and check the files of one pipeline. Raises InvalidInput that names file and key."""
    where = f"pipelines/{folder.name}/pipeline.yaml"
    definition = PipelineDefinition.parse(
        document(folder / "pipeline.yaml", where=where), where=where
    )
    if definition.name != folder.name:
        raise InvalidInput(
            f"{where}: name is {definition.name}, and its folder is {folder.name}", field="name"
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


def document(path: Path, *, where: str) -> Any:
    """The YAML document of a file. Raises InvalidInput with line and column."""
    try:
        return yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InvalidInput(f"{where}{line}: {getattr(error, 'problem', None) or error}") from error
