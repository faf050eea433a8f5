"""A version out of the registry, as a model folder that can leave the platform."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlplatform.cli.connection import Platform, connect
from mlplatform.contracts.promotion import ModelStatus, ModelVersion
from mlplatform.engine.predictor import read_definition
from mlplatform.errors import Refused, UnknownName
from mlplatform.features.code import require_digest
from mlplatform.features.digest import features_digest
from mlplatform.registry import manifest
from mlplatform.registry.store import ModelStore
from mlplatform.source.checkout import checkout

_ALIASES = ("champion", "candidate", "previous")


def take_out(name: str, folder: Path, home: Path | None) -> ModelVersion:
    """Put the version `NAME[@ALIAS]` into `folder`, which appears whole or not at all.

    Raises Refused when the folder is there already, UnknownName for a version that isn't,
    ManifestMismatch or DigestMismatch when bytes are not what the promotion record says.
    """
    refuse_existing(folder)
    platform = connect(home)
    with platform.dataapi() as api:
        pipeline, _, alias = name.partition("@")
        version = _version(api.model_status(pipeline), api.versions(pipeline), alias or "champion")
    registry = platform.settings.registry
    with ModelStore(registry.url, credentials=registry.credentials) as store:
        store.download(version.artifacts, folder, version.manifest_sha256)
    try:
        _add_features(platform, version, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return version


def refuse_existing(folder: Path) -> None:
    """Raise Refused when there is something in the folder's place."""
    if folder.exists():
        raise Refused(
            f"{folder} is there already", field="FOLDER", fix="name a folder that is not there yet"
        )


def _version(status: ModelStatus, versions: list[ModelVersion], alias: str) -> ModelVersion:
    found = getattr(status, alias) if alias in _ALIASES else None
    found = found or next((each for each in versions if each.version == alias), None)
    if found is None:
        numbers = ", ".join(each.version for each in versions) or "none yet"
        raise UnknownName(
            f"'{status.pipeline}' has no {alias}",
            field="NAME@ALIAS",
            fix=f"aliases are {', '.join(_ALIASES)}; versions: {numbers}",
        )
    return found


def _add_features(platform: Platform, version: ModelVersion, folder: Path) -> None:
    definition = read_definition(folder)
    if features_digest(definition, None) == version.features_digest:
        return
    source = checkout(platform.settings.source, ref=version.commit).features(version.pipeline)
    require_digest(definition, source, version.features_digest)
    if source is not None:
        (folder / manifest.BESIDE).write_bytes(source)
