"""A version is marked as verified only when the registry returns exactly the tested bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlplatform.errors import ManifestMismatch
from mlplatform.registry import manifest
from mlplatform.trainer.steps.verify import verify


class _Store:
    """Stands in for the registry: gives a folder that lies on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def download(self, artifacts: str, to: Path, manifest_sha256: str) -> None:
        assert artifacts
        assert manifest_sha256
        shutil.copytree(self._folder, to)


class _Api:
    """Stands in for the data API's client: keeps what was marked."""

    def __init__(self) -> None:
        self.marked: list[tuple[str, str, str]] = []

    def mark_verified(self, name: str, version: str, *, manifest_sha256: str) -> None:
        self.marked.append((name, version, manifest_sha256))


def _verify(judged: Path, stored: Path, digest: str, scratch: Path) -> _Api:
    api, store = _Api(), _Store(stored)
    version = SimpleNamespace(
        pipeline="churn", version="3", artifacts="1/r/artifacts/model", manifest_sha256=digest
    )
    client: Any = api
    files: Any = store
    facts: Any = version
    verify(client, files, facts, judged, scratch=scratch)
    return api


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """A model folder with its manifest."""
    folder = tmp_path / "judged"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"as judged")
    manifest.write(folder)
    return folder


def test_the_same_bytes_are_marked(judged: Path, tmp_path: Path) -> None:
    """What comes back equal is marked, with the digest of its manifest."""
    digest = manifest.write(judged)
    api = _verify(judged, judged, digest, tmp_path / "scratch")

    assert api.marked == [("churn", "3", digest)]


@pytest.mark.parametrize("consistent", [True, False])
def test_other_bytes_are_refused(judged: Path, tmp_path: Path, consistent: bool) -> None:
    """Another file is refused, also when its own manifest fits it."""
    digest = manifest.write(judged)
    stored = tmp_path / "stored"
    shutil.copytree(judged, stored)
    (stored / "model.onnx").write_bytes(b"swapped")
    if consistent:
        digest = manifest.write(stored)
    with pytest.raises(ManifestMismatch):
        _verify(judged, stored, digest, tmp_path / "scratch")
