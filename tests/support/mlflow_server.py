"""One real MLflow for the whole run, on the shared Postgres.

Takes about ten seconds to start; tests share it and use names of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers import mlflow as local_mlflow


@dataclass(frozen=True)
class MlflowServer:
    """A running MLflow."""

    url: str
    artifacts: Path  # where its artifact proxy keeps the files
    cluster: Any


@pytest.fixture(scope="session")
def mlflow(postgres: Any, open_folder: Path) -> Iterator[MlflowServer]:
    """The server that all tests share. Its database is `mlflow` of the shared Postgres."""
    folder, port = open_folder / "mlflow", free_port()
    spec = local_mlflow.spec(
        postgres.servers.dsn("mlflow", "mlflow").get_secret_value(), folder, port=port
    )
    patient = replace(
        spec, ready_timeout_s=240.0
    )  # first start, on a machine that runs other tests as well
    with Supervisor([patient], logs=folder / "logs") as supervisor:
        supervisor.start()
        yield MlflowServer(f"http://127.0.0.1:{port}", folder / "artifacts", postgres)
    shutil.rmtree(folder)
