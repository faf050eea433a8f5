"""`mlplatform import-model`: a model that exists already becomes a version that waits."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.foreign_file import FileFormat, given_file
from mlplatform.cli.options import AsJson, Home, Pipeline
from mlplatform.cli.output import emit
from mlplatform.cli.rows import rows_in
from mlplatform.cli.trained_run import train_here
from mlplatform.cli.training import print_version
from mlplatform.client.versions import version_of
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.errors import Refused
from mlplatform.trainer import handover
from mlplatform.trainer.handover import Handover

MOST_ROWS = 10_000

ModelFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE|models:/X/3",
        help="Model file; with --format mlflow a folder of MLflow, or a version of the tracking "
        "server that MLFLOW_TRACKING_URI names (the platform's own without it).",
        show_default=False,
    ),
]
GivenFormat = Annotated[
    FileFormat, typer.Option("--format", help="How the file is read.", show_default=False)
]
SampleRows = Annotated[
    Path,
    typer.Option(
        "--rows",
        metavar="FILE",
        help="Rows that the model answers: CSV, NDJSON, Arrow or Parquet, as `import` reads them.",
        show_default=False,
    ),
]
ClassNames = Annotated[
    str,
    typer.Option(
        "--classes",
        metavar="A,B",
        help="Values of the target that the model's classes 0, 1, … stand for, where the file "
        "names none.",
        show_default=False,
    ),
]
Trusted = Annotated[
    bool,
    typer.Option(
        "--i-trust-this-file",
        help="Read a joblib file or pickle, which runs code of whoever made it.",
    ),
]
HandoverFolder = Annotated[
    Path | None,
    typer.Option(
        "--handover",
        metavar="FOLDER",
        help="Only write the folder that `mlplatform trainer NAME --import FOLDER` takes, for a "
        "trainer in a cluster.",
        show_default=False,
    ),
]
Why = Annotated[str, typer.Option("--why", "-w", help="The reason, kept with the run.")]

app = typer.Typer()


@app.command("import-model")
def import_model(
    name: Pipeline,
    file: ModelFile,
    *,
    given: GivenFormat,
    rows: SampleRows,
    classes: ClassNames = "",
    trusted: Trusted = False,
    folder: HandoverFolder = None,
    why: Why = "a model that exists already",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Import a model that was made elsewhere: proven, judged, and waiting for approval.

    The version waits for a person whatever the pipeline says of approval.
    """
    platform = connect(home)
    if platform.state is None and folder is None:
        raise _no_cluster(name)
    names = tuple(filter(None, (word.strip() for word in classes.split(","))))
    about, data = given_file(platform, file, given, classes=names, trusted=trusted)
    with platform.dataapi() as api:
        sample = rows_in(rows, api.pipeline(name).parsed())[:MOST_ROWS]
    package = Handover(about, data, sample)
    if folder is None:
        made = _import_here(platform, name, package, why)
        emit(made) if as_json else print_version(made)
    else:
        handover.write(folder, package)
        print(f"{folder}: mlplatform trainer {name} --import {folder}")


def _import_here(platform: Platform, name: str, package: Handover, why: str) -> ModelVersion:
    assert platform.state is not None
    # Nobody but us can enter the outer folder; the trainer's user sees the inner one alone.
    with tempfile.TemporaryDirectory(prefix="mlplatform-import-") as outer:
        inner = Path(outer) / "import"
        handover.write(inner, package)
        with platform.dataapi() as api:
            run, failure = train_here(api, platform.state, name, why, imported=inner)
            if failure is not None:
                raise failure
            return version_of(api, run)


def _no_cluster(name: str) -> Refused:
    return Refused(
        "a trainer in a cluster can't read a file of this machine",
        field="FILE",
        fix=f"add --handover FOLDER, mount that folder into a pod of the trainer, and run there: "
        f"mlplatform trainer {name} --import FOLDER",
    )
