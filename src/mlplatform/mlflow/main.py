"""The process `mlplatform mlflow`: checks its settings, then becomes MLflow's server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from mlplatform.mlflow import server
from mlplatform.settings import Settings, require


def run(settings: Settings, inherited: Mapping[str, str]) -> NoReturn:
    """Replace this process by the server, so that signals and the exit code are the server's own.

    `inherited` is the environment of this process. MLflow gets all of it but our settings: there
    may be a bucket's credentials in it. Raises SettingsError when a setting is missing.
    """
    dsn = require(settings.postgres.mlflow_dsn, "postgres", "mlflow_dsn")
    require(settings.mlflow.artifacts, "mlflow", "artifacts")
    home = Path(inherited.get("HOME", "/tmp"))  # noqa: S108  (an image's only writable folder)
    argv = server.command(settings.mlflow)
    others = {
        name: value for name, value in inherited.items() if not name.startswith("MLPLATFORM_")
    }
    environment = others | server.environment(dsn.get_secret_value(), home=home)
    os.execve(argv[0], argv, environment)  # noqa: S606  (no shell is involved)
