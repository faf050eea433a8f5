"""Verify what the registry holds: download the version again and compare every byte."""

from __future__ import annotations

from pathlib import Path

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.errors import ManifestMismatch
from mlplatform.registry import manifest
from mlplatform.registry.store import ModelStore


def verify(
    api: DataApi, store: ModelStore, version: ModelVersion, judged: Path, *, scratch: Path
) -> None:
    """Mark the version as verified. Raises ManifestMismatch when a byte differs.

    The folder that was judged is hashed anew as well: its files may have changed since.
    """
    downloaded, digest = scratch / "downloaded", version.manifest_sha256
    store.download(version.artifacts, downloaded, digest)
    if manifest.verify(downloaded, digest) != manifest.build(judged):
        raise ManifestMismatch(
            "the registry holds other files than those that were judged", field="manifest.json"
        )
    api.mark_verified(version.pipeline, version.version, manifest_sha256=digest)
