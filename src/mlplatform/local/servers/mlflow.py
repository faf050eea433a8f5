"""MLflow's server as a child process of a local stack."""

from __future__ import annotations

from pathlib import Path

from mlplatform.local.ports import HOST
from mlplatform.local.processes.probe import HEALTH_S, answers
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.mlflow import server
from mlplatform.settings import MlflowSettings

NAME = "mlflow"


def spec(dsn: str, folder: Path, *, port: int, needs: tuple[str, ...] = ()) -> ProcessSpec:
    """The process; ready when its health page answers. Files lie in `folder`/artifacts.

    `dsn` is a postgresql:// URL of an existing database.
    """
    settings = MlflowSettings(host=HOST, port=port, artifacts=str(folder / "artifacts"))
    return ProcessSpec(
        name=NAME,
        argv=server.command(settings),
        environment=server.environment(dsn, home=folder),
        folder=folder,
        needs=needs,
        ready=answers(f"http://{HOST}:{port}/health"),
        ready_timeout_s=90.0,  # the first start runs all of MLflow's migrations
        health=answers(f"http://{HOST}:{port}/health", timeout_s=HEALTH_S),
        silent_s=120.0,  # it has no watchdog, and may be busy with a large upload
    )
