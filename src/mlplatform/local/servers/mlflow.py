"""MLflow's server as a child process of a local stack.

When we are root, it runs as a user of its own. It needs no token, and hands out every file that its
user can read: a run's address for files may be any folder of this machine, or a link in one.
"""

from __future__ import annotations

import os
from pathlib import Path

from mlplatform.local.ports import HOST
from mlplatform.local.processes.probe import HEALTH_S, answers
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.mlflow import server
from mlplatform.settings import MlflowSettings
from mlplatform.unprivileged import command, users

NAME = "mlflow"


def spec(dsn: str, folder: Path, *, port: int, needs: tuple[str, ...] = ()) -> ProcessSpec:
    """The process; ready when its health page answers. Files lie in `folder`/artifacts.

    `dsn` is a postgresql:// URL of an existing database.
    """
    settings = MlflowSettings(host=HOST, port=port, artifacts=str(folder / "artifacts"))
    argv = server.command(settings)
    uid = None if command.hindrance() else users.server(users.MLFLOW)
    if uid is not None:
        _own(folder, uid)
    return ProcessSpec(
        name=NAME,
        argv=argv,
        environment=server.environment(dsn, home=folder),
        folder=folder,
        needs=needs,
        uid=uid,
        paths=(folder,),
        ready=answers(f"http://{HOST}:{port}/health"),
        ready_timeout_s=90.0,  # the first start runs all of MLflow's migrations
        health=answers(f"http://{HOST}:{port}/health", timeout_s=HEALTH_S),
        silent_s=120.0,  # it has no watchdog, and may be busy with a large upload
    )


def _own(folder: Path, uid: int) -> None:
    """Give the folder to the server's user: also one that an earlier version filled as root."""
    folder.chmod(0o700)
    if folder.stat().st_uid == uid:
        return
    for path in (*folder.rglob("*"), folder):  # itself last: until then it is all done again
        os.chown(path, uid, uid, follow_symlinks=False)
