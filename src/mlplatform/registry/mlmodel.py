"""A model folder of MLflow, read as data: which file in it is the model, and of which format.

MLflow's own loaders import code that the folder names and unpickle; none of that happens here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlplatform.contracts.foreign_model import ForeignFormat
from mlplatform.errors import InvalidInput

NAME = "MLmodel"
MOST_BYTES = 1 << 20
_FLAVORS: dict[str, str] = {
    "xgboost": "data",
    "lightgbm": "data",
    "catboost": "data",
    "onnx": "data",
    "sklearn": "pickled_model",
}
"""Flavor -> the key under which it names its file."""


@dataclass(frozen=True)
class NativeFile:
    """The file of a flavor: where it lies in the folder, and how it is read."""

    path: str
    format: ForeignFormat


def native_file(folder: Path) -> NativeFile:
    """The model's own file in a folder of MLflow. Raises InvalidInput that says what is missing."""
    try:
        with (folder / NAME).open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(
            f"{folder} has no file {NAME}: {error.strerror}",
            field="FILE",
            fix="name a folder that MLflow wrote (save_model, or an artifact), or models:/NAME/3",
        ) from error
    found = read(text)
    file_path = (folder / found.path).resolve()
    if not file_path.is_relative_to(folder.resolve()) or not file_path.is_file():
        raise InvalidInput(f"{NAME} names {found.path}, which is not in the folder", field="FILE")
    return found


def read(text: bytes) -> NativeFile:
    """What the bytes of an MLmodel say. Raises InvalidInput for flavors without such a file."""
    flavors = _flavors(text)
    name = next((each for each in _FLAVORS if each in flavors), None)
    if name is None:
        raise InvalidInput(
            f"{NAME} has the flavors {', '.join(map(str, flavors)) or 'none'}; importable are "
            f"{', '.join(_FLAVORS)}",
            field="flavors",
        )
    flavor = flavors[name]
    path = flavor.get(_FLAVORS[name]) if isinstance(flavor, Mapping) else None
    if not isinstance(path, str) or not path or path.startswith("/") or ".." in path.split("/"):
        raise InvalidInput(f"{NAME} names no file of the folder: {path!r}", field=name)
    return NativeFile(path, _format(name, flavor, path))


def _flavors(text: bytes) -> Mapping[str, Any]:
    if len(text) > MOST_BYTES:
        raise InvalidInput(f"{NAME} has more than {MOST_BYTES} bytes", field="FILE")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{NAME} is not YAML: {str(error)[:200]}", field="FILE") from error
    flavors = document.get("flavors") if isinstance(document, Mapping) else None
    if not isinstance(flavors, Mapping):
        raise InvalidInput(f"{NAME} has no flavors", field="flavors")
    return flavors


def _format(name: str, flavor: Mapping[str, Any], path: str) -> ForeignFormat:
    if name == "sklearn":
        return "skops" if flavor.get("serialization_format") == "skops" else "joblib"
    if name == "lightgbm" and not str(flavor.get("model_class", "")).endswith(".Booster"):
        raise InvalidInput(
            f"{path} is LightGBM's estimator, which only LightGBM's own code can read",
            field="FILE",
            fix="log the booster in it: mlflow.lightgbm.log_model(model.booster_, …)",
        )
    formats: dict[str, ForeignFormat] = {
        "xgboost": "xgboost",
        "lightgbm": "lightgbm",
        "catboost": "catboost",
        "onnx": "onnx",
    }
    return formats[name]
