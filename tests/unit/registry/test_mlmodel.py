"""Model folders of MLflow, read as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlplatform.errors import InvalidInput
from mlplatform.registry import foreign, mlmodel


def _written(**flavors: Any) -> bytes:
    python = {"loader_module": "anything.at.all", "code": "code"}
    return yaml.safe_dump({"flavors": {"python_function": python, **flavors}}).encode()


@pytest.mark.parametrize(
    ("flavor", "settings", "path", "kind"),
    [
        ("xgboost", {"data": "model.ubj"}, "model.ubj", "xgboost"),
        (
            "lightgbm",
            {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"},
            "model.lgb",
            "lightgbm",
        ),
        ("catboost", {"data": "model.cb"}, "model.cb", "catboost"),
        ("onnx", {"data": "model.onnx"}, "model.onnx", "onnx"),
        (
            "sklearn",
            {"pickled_model": "model.skops", "serialization_format": "skops"},
            "model.skops",
            "skops",
        ),
        (
            "sklearn",
            {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"},
            "model.pkl",
            "joblib",
        ),
    ],
)
def test_the_native_file_of_a_flavor_is_found(
    flavor: str, settings: Any, path: str, kind: str
) -> None:
    """Whatever else the folder says of loaders and code; a pickle is what joblib files are."""
    found = mlmodel.read(_written(**{flavor: settings}))

    assert (path, kind) == (found.path, found.format)


@pytest.mark.parametrize(
    "text",
    [
        b"flavors: [",
        b"- 1",
        b"flavors: {}",
        b"\xff\xfe\x00",
        b"flavors: {xgboost: {data: ../../etc/passwd}}",
        b"flavors: {xgboost: {data: /etc/passwd}}",
        b"flavors: {xgboost: {}}",
        b"flavors: {xgboost: model.ubj}",
        b"flavors: {lightgbm: {data: model.skops, model_class: lightgbm.sklearn.LGBMClassifier}}",
        b"flavors: {onnx: {data: !!python/object/apply:os.system ['true']}}",
        b"flavors: {keras: {data: x}}",
        b"a: " + b"x" * mlmodel.MOST_BYTES,
    ],
)
def test_other_folders_are_refused(text: bytes) -> None:
    """Not YAML, no importable flavor, a file elsewhere, or one that only code could read."""
    with pytest.raises(InvalidInput):
        mlmodel.read(text)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """The file lies in the folder itself."""
    (tmp_path / "outside").write_bytes(b"{}")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_bytes(_written(xgboost={"data": "model.ubj"}))
    (folder / "model.ubj").symlink_to(tmp_path / "outside")

    with pytest.raises(InvalidInput, match="not in the folder"):
        mlmodel.native_file(folder)


def test_an_address_names_a_version() -> None:
    """With its number: an alias may stand for another version a moment later."""
    assert ("churn", "3") == foreign.parse("models:/churn/3")
    for wrong in ("models:/churn", "models:/churn@champion", "models:/churn/latest", "churn/3"):
        with pytest.raises(InvalidInput, match="not a version"):
            foreign.parse(wrong)
