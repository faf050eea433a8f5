"""MLflow's server: its command line and environment. Files go through its own HTTP proxy."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from mlplatform.errors import SettingsError
from mlplatform.settings import MlflowSettings, variable

_S3 = "install the extra mlplatform[s3], which the image `mlplatform` holds"
_CLIENTS = {
    "s3": ("boto3", _S3),
    "r2": ("boto3", _S3),
    "b2": ("boto3", _S3),
    "gs": (
        "google.cloud.storage",
        "build an image with google-cloud-storage, or use a bucket's S3 interface",
    ),
    "wasbs": ("azure.storage.blob", "build an image with azure-storage-blob"),
    "abfss": ("azure.storage.filedatalake", "build an image with azure-storage-file-datalake"),
}
"""Scheme of an artifact address -> the module with which MLflow reaches it, and how one gets it."""


def command(settings: MlflowSettings) -> tuple[str, ...]:
    """The server's command line.

    Files lie at `settings.artifacts` (a path, which is made, or a URL). `settings.allowed_hosts`
    are `host:port` names by which clients reach it beside its own and localhost; MLflow compares
    the Host header exactly, with the port.

    Raises SettingsError when the client of such a place for files is not installed.
    """
    own = f"{settings.host}:{settings.port}"
    hosts = dict.fromkeys([own, f"localhost:{settings.port}", *settings.allowed_hosts])
    options = {
        "--host": settings.host,
        "--port": str(settings.port),
        "--workers": "1",
        "--artifacts-destination": _artifacts_url(settings.artifacts),
        "--allowed-hosts": ",".join(hosts),
    }
    words = (word for pair in options.items() for word in pair)
    return (sys.executable, "-m", "mlflow", "server", *words)


def environment(dsn: str, *, home: Path) -> dict[str, str]:
    """The server's environment. `dsn` is a postgresql:// URL of an existing database.

    MLflow makes and migrates its tables there on start. The address with its password stands here,
    not in argv, which every user of the machine can read. Raises ValueError for another URL.
    """
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "MLFLOW_BACKEND_STORE_URI": sqlalchemy_url(dsn),
        # Otherwise seven more processes and a gigabyte, for work on language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def sqlalchemy_url(dsn: str) -> str:
    """A postgresql:// URL with the driver that we ship (psycopg 3). Raises ValueError."""
    scheme, separator, rest = dsn.partition("://")
    if not separator or scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("MLflow's database must be given as a postgresql:// URL")
    return f"postgresql+psycopg://{rest}"


def _artifacts_url(artifacts: str) -> str:
    """The URL of where files go; a folder is made.

    Raises SettingsError when the client of such a place is not installed.
    """
    scheme, separator, _ = artifacts.partition("://")
    if separator:
        _refuse_without_client(scheme)
        return artifacts
    folder = Path(artifacts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve().as_uri()


def _refuse_without_client(scheme: str) -> None:
    """MLflow would start without it, and fail with the first model that is stored."""
    module, fix = _CLIENTS.get(scheme, ("", ""))
    if module and not _installed(module):
        raise SettingsError(
            f"{scheme}:// needs the Python module {module}, which is not installed",
            field=variable("mlflow", "artifacts"),
            fix=fix,
        )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False
