"""Make a model folder, of a model from elsewhere or out of the registry."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mlplatform import settings as configuration
from mlplatform.cli.exported import refuse_existing, take_out
from mlplatform.cli.options import Home
from mlplatform.cli.process import quiet_logs

Folder = Annotated[Path, typer.Argument(help="Model folder.", show_default=False)]
Model = Annotated[
    str,
    typer.Argument(
        help="Fitted scikit-learn estimator: a .joblib or .pkl file of your own (reading it runs "
        "code), or file.py:function that returns one.",
        show_default=False,
    ),
]
Example = Annotated[
    Path,
    typer.Option(
        metavar="CSV", help="Rows that the model answers, with a header.", show_default=False
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the model; empty: that of the folder.")]
Target = Annotated[
    str, typer.Option(help="Name of the predicted field; a column of it holds the labels.")
]

app = typer.Typer()


@app.command()
def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@ALIAS]",
            help="Pipeline, with champion, candidate, previous or a version; champion without one.",
            show_default=False,
        ),
    ],
    folder: Folder,
    *,
    home: Home = None,
) -> None:
    """Copy a version out of the registry into a model folder, with its features code."""
    version = take_out(name, folder, home)
    print(f"{version.pipeline} version {version.version} is in {folder}")
    print(f"manifest {version.manifest_sha256}")


@app.command()
def package(
    model: Model, folder: Folder, *, example: Example, name: Name = None, target: Target = "target"
) -> None:
    """Make a model folder of a scikit-learn model that was trained elsewhere."""
    quiet_logs()
    refuse_existing(folder)
    packager = import_module("mlplatform.trainer.package")
    found = packager.package(
        configuration.load(),
        model,
        example,
        folder,
        name=name or folder.resolve().name,
        target=target,
    )
    print(f"{found.signature.pipeline} is in {folder}, as {found.signature.format}")
    print(f"manifest {found.manifest_sha256}")
