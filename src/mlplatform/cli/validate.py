"""`mlplatform validate`: pipelines tried without a platform, for a person or for CI."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from mlplatform import settings as configuration
from mlplatform.cli.findings import Finding, show
from mlplatform.cli.options import AsJson, OnePipeline
from mlplatform.cli.output import emit, figures
from mlplatform.cli.process import quiet_logs
from mlplatform.cli.project import project
from mlplatform.cli.rows import rows_in
from mlplatform.errors import PlatformError, UnknownName
from mlplatform.source.pipeline_files import read

MOST_ROWS = 20_000
"""Rows of a file that are tried: the first ones."""
Rows = Annotated[
    Path | None,
    typer.Option(
        "--rows",
        metavar="FILE",
        help="Labelled rows of the pipeline, in any format that import takes; empty: none.",
        show_default=False,
    ),
]

app = typer.Typer()


@app.command()
def validate(name: OnePipeline = None, *, rows: Rows = None, as_json: AsJson = False) -> None:
    """Try the pipelines of this folder without a platform.

    All that apply checks, features.py in a child process and model.py's build. With --rows also a
    small training: features, fit, export with its proof, trial and cases. Ends with 1 when one
    fails. Runs the code of model.py here.
    """
    quiet_logs()
    found = [_tried(folder, rows) for folder in _folders(name, rows)]
    if as_json:
        emit([each.__dict__ for each in found])
    else:
        show(found)
    if any(each.state == "failed" for each in found):
        raise typer.Exit(1)


def _folders(name: str | None, rows: Path | None) -> list[Path]:
    root = project(Path.cwd()) / "pipelines"
    if name:
        if not (root / name / "pipeline.yaml").is_file():
            raise UnknownName(f"there is no {root / name}/pipeline.yaml", field="NAME")
        return [root / name]
    folders = sorted(path.parent for path in root.glob("*/pipeline.yaml"))
    if not folders or (rows is not None and len(folders) > 1):
        raise UnknownName(
            f"{root} has {len(folders)} pipelines",
            field="NAME",
            fix="name the one that the rows are for" if folders else "`mlplatform new` writes one",
        )
    return folders


def _tried(folder: Path, rows: Path | None) -> Finding:
    try:
        return Finding(folder.name, "ok", _described(_rehearsed(folder, rows)))
    except PlatformError as error:
        where = f"{error.field}: " if error.field and error.field not in error.message else ""
        return Finding(folder.name, "failed", f"{where}{error.message}", error.fix)


def _rehearsed(folder: Path, rows: Path | None) -> Any:
    # Only here: it needs scikit-learn and the libraries that export models.
    rehearsal = import_module("mlplatform.trainer.rehearsal")
    files = read(folder)
    given = rows_in(rows, files.definition)[:MOST_ROWS] if rows else []
    with tempfile.TemporaryDirectory() as scratch:
        registry = configuration.load().registry
        return rehearsal.rehearse(files, given, registry, Path(scratch) / "model")


def _described(found: Any) -> str:
    if not found.rows:
        return "the files are sound; --rows FILE would try them on rows"
    return f"{found.rows} rows, served as {found.format}, {figures(found.metrics)}"
