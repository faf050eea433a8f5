"""From a file of rows to the files of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlplatform.draft.baseline import Baseline, baseline
from mlplatform.draft.cases_file import cases_file
from mlplatform.draft.features_file import features_file
from mlplatform.draft.findings import findings
from mlplatform.draft.model_file import model_file
from mlplatform.draft.pipeline_file import pipeline_file
from mlplatform.draft.plan import Choice, Choose, Plan, make_plan
from mlplatform.draft.table import read_table
from mlplatform.errors import Refused
from mlplatform.source.pipeline_files import read


@dataclass(frozen=True)
class Draft:
    """What would be written, and what is to be said about it."""

    plan: Plan
    found: Baseline
    files: Mapping[str, str]
    findings: tuple[str, ...]


def draft(name: str, file: Path, choice: Choice, choose: Choose) -> Draft:
    """Look at the rows of a file and write a pipeline for them.

    Raises InvalidInput for a file, target, key or time that can't be used.
    """
    plan = make_plan(name, file.name, read_table(file), choice, choose)
    found = baseline(plan)
    said = tuple(findings(plan, found))
    files = {
        "pipeline.yaml": pipeline_file(plan, found, said),
        "features.py": features_file(plan),
        "model.py": model_file(plan, found.kind),
        "cases.yaml": cases_file(plan, found),
    }
    return Draft(plan, found, {path: text for path, text in files.items() if text}, said)


def write(made: Draft, folder: Path) -> None:
    """Write the files, which an apply would take. Raises Refused when the folder is there."""
    if folder.exists():
        raise Refused(
            f"{folder} is there already", field="NAME", fix="remove it, or choose another name"
        )
    folder.mkdir(parents=True)
    for path, text in made.files.items():
        (folder / path).write_text(text, encoding="utf-8")
    read(folder)
