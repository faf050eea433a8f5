"""The bytes of a model that was made elsewhere, and where they come from."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import tempfile
from enum import StrEnum
from pathlib import Path

from mlplatform.cli.connection import Platform
from mlplatform.cli.tracking_server import tracking_server
from mlplatform.contracts.foreign_model import ForeignFormat, ImportedModel
from mlplatform.errors import InvalidInput, Refused, SettingsError
from mlplatform.registry import foreign, mlmodel

MOST_BYTES = 512 << 20


class FileFormat(StrEnum):
    """What --format takes."""

    onnx = "onnx"
    skops = "skops"
    xgboost = "xgboost"
    lightgbm = "lightgbm"
    catboost = "catboost"
    mlflow = "mlflow"
    joblib = "joblib"


def given_file(
    platform: Platform, name: str, given: FileFormat, *, classes: tuple[str, ...], trusted: bool
) -> tuple[ImportedModel, bytes]:
    """The file that was named, and its description.

    Raises InvalidInput, SettingsError, UnknownName; Refused for a pickle that nobody vouches for.
    """
    if given is not FileFormat.mlflow:
        path, kind = Path(name), _format(given)
        return _described(path, name, kind, classes, trusted)
    if not name.startswith("models:"):
        return _native(Path(name), name, classes, trusted)
    with tempfile.TemporaryDirectory() as scratch, tracking_server(platform) as store:
        foreign.download(store, name, Path(scratch))
        return _native(Path(scratch), name, classes, trusted)


def _format(given: FileFormat) -> ForeignFormat:
    formats: dict[str, ForeignFormat] = {
        "onnx": "onnx",
        "skops": "skops",
        "xgboost": "xgboost",
        "lightgbm": "lightgbm",
        "catboost": "catboost",
        "joblib": "joblib",
    }
    return formats[given.value]


def _native(
    folder: Path, origin: str, classes: tuple[str, ...], trusted: bool
) -> tuple[ImportedModel, bytes]:
    found = mlmodel.native_file(folder)
    return _described(folder / found.path, origin, found.format, classes, trusted)


def _described(
    path: Path, origin: str, kind: ForeignFormat, classes: tuple[str, ...], trusted: bool
) -> tuple[ImportedModel, bytes]:
    if kind == "joblib" and not trusted:
        raise Refused(
            f"{path.name} is a joblib file or pickle: reading it runs whatever code its author put "
            "in",
            field="--i-trust-this-file",
            fix="write the estimator with skops instead, which holds no code; or give the option, "
            "if you know who made this file and how",
        )
    data = _bytes(path)
    about = ImportedModel(
        file=path.name[:200],
        origin=origin[-200:],
        format=kind,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        by=f"{_user()} on {socket.gethostname()}"[:200],
        trusted=trusted,
        classes=classes,
    )
    return about, data


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"can't read {path}: {error.strerror}", field="FILE") from error
    if not data or len(data) > MOST_BYTES:
        size = "is empty" if not data else f"has more than {MOST_BYTES >> 20} MiB"
        raise InvalidInput(f"{path} {size}", field="FILE")
    return data


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name
        return f"user {os.getuid()}"
