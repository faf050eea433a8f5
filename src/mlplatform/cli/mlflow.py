"""`mlplatform mlflow`: MLflow's server, as a process of its own."""

from __future__ import annotations

import os

import typer

from mlplatform.cli.process import begin, guarded
from mlplatform.mlflow import main

app = typer.Typer()


@app.command()
def mlflow() -> None:
    """MLflow's tracking server and registry, on its database. Runs until SIGTERM."""
    settings = begin("mlflow")
    guarded(lambda: main.run(settings, os.environ))
