"""Malformed files: each is refused, and no code of theirs runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import damaged_models
import pytest

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import Target
from mlplatform.engine.foreign import estimators, onnx_file
from mlplatform.engine.foreign.file import ForeignFile
from mlplatform.errors import IntegrityFailure, InvalidInput

FEATURES = tuple(Feature(name=name, dtype="float64") for name in "abc")
TARGET = Target(name="y", dtype="int64")
REFUSED = {
    "onnx with a tensor in another file": "in another file",
    "onnx with an operator of its own": "operators of com.example",
    "onnx with a branch": "graph inside of a node",
    "onnx with a loop": "graph inside of a node",
    "onnx with 6000 nodes in a row": "one after the other",
    "onnx with a function": "functions",
    "onnx with random numbers": "random numbers",
    "onnx with a tree in a circle": "lead back",
    "onnx with a feature beyond": "features that don't exist",
    "skops bomb": "unpack to",
    "skops with a type of os": "not trusted: os.system",
    "xgboost of zeros": "neither a .json nor a .ubj",
    "lightgbm of zeros": "not a text file",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The files, and what would be there if code in one of them ran."""
    mark = tmp_path_factory.mktemp("corpus") / "mark"
    return mark, damaged_models.damaged(mark)


def _opened(kind: Any, data: bytes) -> Any:
    file = ForeignFile(kind, data, FEATURES, "classification", TARGET, (), ())
    return onnx_file.opened(file) if kind == "onnx" else estimators.opened(file)


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_file_is_refused_by_what_is_wrong(corpus: Any, name: str) -> None:
    """The error says what in the file is refused."""
    with pytest.raises((InvalidInput, IntegrityFailure), match=REFUSED[name]):
        _opened(*corpus[1][name])


def test_no_code_of_a_file_runs(corpus: Any) -> None:
    """A pickle given as another format is refused, and a format given as another one."""
    mark, files = corpus
    others = [name for name in files if " as " in name]
    for name in others:
        with pytest.raises((InvalidInput, IntegrityFailure)):
            _opened(*files[name])

    assert len(others) >= 8
    assert not mark.exists()


def test_sound_files_are_read() -> None:
    """The corpus is refused for what is wrong with it, not for what it is made of."""
    found = [_opened(kind, data) for kind, data in damaged_models.sound().items()]

    assert 4 == len(found)
    assert all(found)
