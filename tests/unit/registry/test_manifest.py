"""Manifests: every byte of a model folder is proven by one digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlplatform.errors import ManifestMismatch
from mlplatform.registry import manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files, one of them deeper."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / "deep" / "notes.txt").write_bytes(b"")
    return tmp_path


def test_a_folder_is_what_its_manifest_says(folder: Path) -> None:
    """Written and verified at once, the manifest lists every file but itself, sorted."""
    digest = manifest.write(folder)

    assert [
        "deep/notes.txt",
        "model.onnx",
    ] == [file.path for file in manifest.verify(folder, digest).files]
    assert digest == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


CHANGES: dict[str, Callable[[Path], object]] = {
    "model.onnx": lambda folder: (folder / "model.onnx").write_bytes(b"mOdel"),
    "missing": lambda folder: (folder / "deep" / "notes.txt").unlink(),
    "is not listed": lambda folder: (folder / "more.py").write_text("import os"),
    "symbolic link": lambda folder: (folder / "link").symlink_to("/etc/passwd"),
    "manifest.json": lambda folder: (folder / "manifest.json").write_text("{}"),
    "can't read": lambda folder: (folder / "manifest.json").unlink(),
}


@pytest.mark.parametrize("said", CHANGES)
def test_any_difference_is_named(folder: Path, said: str) -> None:
    """A changed, missing, additional or linked file and a changed manifest are refused by name."""
    digest = manifest.write(folder)
    CHANGES[said](folder)

    with pytest.raises(ManifestMismatch, match=said):
        manifest.verify(folder, digest)


@pytest.mark.parametrize(
    "path", ["../../etc/cron.d/job", "a/../../b", "manifest.json", "/etc/passwd"]
)
def test_a_manifest_that_leads_out_of_its_folder_is_refused(path: str) -> None:
    """Even a manifest of the right digest can't name a file outside the model folder."""
    data = json.dumps({"files": [{"path": path, "size": 0, "sha256": "0" * 64}]}).encode()

    with pytest.raises(ManifestMismatch):
        manifest.parse(data, hashlib.sha256(data).hexdigest())
