"""MLflow's tracking server and registry as a child process: Postgres behind it, artifacts through its own HTTP proxy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from mlplatform.errors import SettingsError
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.settings import variable

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


def process(
    *,
    dsn: str,
    host: str,
    port: int,
    folder: Path,
    artifacts: str = "",
    allowed_hosts: Sequence[str] = (),
    needs: Sequence[str] = (),
    uid: int | None = None,
) -> ProcessSpec:
    """The process. `dsn` is a postgresql:// URL of an existing database; MLflow makes and migrates its tables there on start.

    Files lie at `artifacts` (a path or URL), by default in `folder`/artifacts. `allowed_hosts` are
    `host:port` names by which clients reach it beside `host:port` itself and localhost; MLflow
    compares the Host header exactly, with the port.
    """
    hosts = dict.fromkeys([f"{host}:{port}", f"localhost:{port}", *allowed_hosts])
    options = {
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--artifacts-destination": _place(artifacts or str(folder / "artifacts")),
        "--allowed-hosts": ",".join(hosts),
    }
    return ProcessSpec(
        name="mlflow",
        argv=(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *(word for pair in options.items() for word in pair),
        ),
        environment=environment(dsn, home=folder),
        folder=folder,
        needs=tuple(needs),
        ready=_answers(f"http://{host}:{port}/health"),
        ready_timeout_s=90.0,  # the first start runs all of MLflow's migrations
        uid=uid,
    )


def environment(dsn: str, *, home: Path) -> dict[str, str]:
    """The server's whole environment.

    The address with its password stands here, not in argv, which every user of the machine can
    read.
    """
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "MLFLOW_BACKEND_STORE_URI": sqlalchemy_url(dsn),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven more processes and a gigabyte, for language-model work that we have none of
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def sqlalchemy_url(dsn: str) -> str:
    """A postgresql:// URL with the driver that we ship (psycopg 3)."""
    scheme, separator, rest = dsn.partition("://")
    if not separator or scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("MLflow's database must be given as a postgresql:// URL")
    return f"postgresql+psycopg://{rest}"


def _place(artifacts: str) -> str:
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


def _answers(url: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310 - an http:// address that we made ourselves
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False  # not up yet, which is what is being asked

    return ready
