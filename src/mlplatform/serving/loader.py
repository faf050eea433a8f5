"""From a promotion record's facts to a warm model: every byte is proven before it is used.

The model folder comes from the cache or from the registry, and is verified against the manifest
digest of the promotion record either way. The features code comes from the cache or from git at the
recorded commit, and must have the recorded digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.load import load as load_engine
from mlplatform.engine.load import read_signature
from mlplatform.errors import DigestMismatch, IntegrityFailure, ManifestMismatch
from mlplatform.features.code import FeatureSet
from mlplatform.features.code import load as load_features
from mlplatform.features.digest import features_digest
from mlplatform.registry import manifest
from mlplatform.registry.store import ModelStore
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.warmup import warm_up
from mlplatform.telemetry import logger

_log = logger("serving")
FetchFeatures = Callable[[str, str], bytes | None]
"""Pipeline and commit to the bytes of features.py there; None when there is no such file."""


class Loader:
    """Blocking; run it in a thread. Safe for several pipelines at once."""

    def __init__(
        self,
        *,
        cache: ModelCache,
        store: ModelStore,
        fetch_features: FetchFeatures,
        features_s: float | None = None,
        trusted: Sequence[str],
    ) -> None:
        self._cache = cache
        self._store = store
        self._fetch_features = fetch_features
        self._features_s = features_s
        self._trusted = tuple(trusted)

    def load(self, version: ModelVersion) -> LoadedModel:
        """The version, verified, loaded and warmed up.

        Raises IntegrityFailure, Unavailable, UnknownName, InvalidInput.
        """
        folder = self._verified(version)
        signature = read_signature(folder)
        _agree(version, signature)
        definition = _definition(folder)
        features = self._features(version, definition)
        if (features.inputs, features.features) != (signature.inputs, signature.features):
            raise IntegrityFailure(
                f"features of {version.pipeline} at {version.commit} are not those that version "
                f"{version.version} was trained on",
                field="signature.json",
            )
        engine = load_engine(folder, signature, trusted=self._trusted)
        model = LoadedModel(version, signature, features, engine)
        warm_up(model)
        return model

    def _verified(self, version: ModelVersion) -> Path:
        """The model folder, after its bytes were proven.

        A damaged copy in the cache is dropped, and downloaded again.
        """
        folder = self._cache.model_folder(version)
        if folder.exists():
            try:
                manifest.verify(folder, version.manifest_sha256)
            except ManifestMismatch as error:
                _log.error(
                    "the cached model is damaged; it is downloaded again",
                    pipeline=version.pipeline,
                    error=str(error),
                )
                self._cache.drop(version)
            else:
                return folder
        self._store.download(version.artifacts, folder, version.manifest_sha256)
        manifest.verify(folder, version.manifest_sha256)
        return folder

    def _limited(
        self, definition: PipelineDefinition, source: bytes | None, version: ModelVersion
    ) -> FeatureSet:
        return load_features(
            definition, source, digest=version.features_digest, limit_s=self._features_s
        )

    def _features(self, version: ModelVersion, definition: PipelineDefinition) -> FeatureSet:
        if features_digest(definition, None) == version.features_digest:
            return load_features(definition, None, digest=version.features_digest)
        kept = self._cache.features(version.pipeline, version.features_digest)
        if kept is not None:
            try:
                return self._limited(definition, kept, version)
            except DigestMismatch as error:
                _log.error(
                    "the cached features code is damaged; it is fetched again",
                    pipeline=version.pipeline,
                    error=str(error),
                )
        source = self._fetch_features(version.pipeline, version.commit)
        features = self._limited(definition, source, version)
        if source is not None:
            self._cache.keep_features(version.pipeline, version.features_digest, source)
        return features


def _agree(version: ModelVersion, signature: Signature) -> None:
    """The folder must be the one that the promotion record names, not merely an intact one."""
    recorded = (version.pipeline, version.features_digest, version.format)
    found = (signature.pipeline, signature.features_digest, signature.format)
    if recorded != found:
        raise IntegrityFailure(
            f"the promotion record says {recorded}, the model's signature {found}",
            field="signature.json",
        )


def _definition(folder: Path) -> PipelineDefinition:
    try:
        # Written by a trainer with yaml.safe_dump, so read with the other half of it.
        document = yaml.safe_load((folder / "pipeline.yaml").read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise IntegrityFailure(
            f"can't read the model's pipeline.yaml: {error}", field="pipeline.yaml"
        ) from error
    return PipelineDefinition.parse(document, where="pipeline.yaml of the model")
