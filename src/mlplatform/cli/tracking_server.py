"""Which MLflow server `models:/NAME/3` is about."""

from __future__ import annotations

import os

from mlplatform.cli.connection import Platform
from mlplatform.errors import SettingsError
from mlplatform.registry.store import ModelStore

_TRACKING = "MLFLOW_TRACKING_"


def tracking_server(platform: Platform) -> ModelStore:
    """The tracking server that the environment names as for MLflow's own tools, or ours."""
    if url := os.environ.get(f"{_TRACKING}URI", ""):
        if not url.startswith(("http://", "https://")):
            raise SettingsError(
                f"{_TRACKING}URI is {url}, which is not the address of a server",
                field=f"{_TRACKING}URI",
                fix="name the folder of the model instead",
            )
        user, password = (os.environ.get(f"{_TRACKING}{x}") for x in ("USERNAME", "PASSWORD"))
        return ModelStore(url, credentials=(user, password) if user and password else None)
    registry = platform.settings.registry
    return ModelStore(registry.url, credentials=registry.credentials)
