"""From a promotion record's facts to a warm model: every byte is proven before it is used.

The model folder comes from the cache or from the registry, and is verified against the manifest
digest of the promotion record either way. The features code comes from the cache or from git at the
recorded commit, and must have the recorded digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.load import read_signature
from mlplatform.engine.predictor import read_definition
from mlplatform.engine.trial_process import TrialProcess
from mlplatform.engine.trials import Trials
from mlplatform.errors import IntegrityFailure, ManifestMismatch
from mlplatform.features.code import require_digest
from mlplatform.features.digest import features_digest
from mlplatform.registry import manifest
from mlplatform.registry.store import ModelStore
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.opener import Opener
from mlplatform.serving.proven_folder import ProvenFolder
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
        limits: TrialLimits,
        waiting: TrialProcess | None = None,
        redaction_key: SecretStr | None = None,
    ) -> None:
        """`waiting`: see Trials."""
        self._cache = cache
        self._store = store
        self._fetch_features = fetch_features
        trials = Trials(limits, trusted=trusted, waiting=waiting)
        self._opener = Opener(
            trusted=trusted, features_s=features_s, trials=trials, redaction_key=redaction_key
        )

    def load(self, version: ModelVersion) -> LoadedModel:
        """The version: verified, tried in a child process, then loaded here and warmed up.

        Raises UnfitModel, IntegrityFailure, Unavailable, UnknownName, InvalidInput.
        """
        folder = self._verified(version)
        definition = read_definition(folder)
        signature = read_signature(folder).answering(definition.target.dtype)
        _agree(version, signature)
        source = self._features(version, definition)
        return self._opener.open(ProvenFolder(version, folder, definition, signature, source))

    def stop(self) -> None:
        """End the trials that run: this process is about to end, and must not wait for them."""
        self._opener.stop()

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

    def _features(self, version: ModelVersion, definition: PipelineDefinition) -> bytes | None:
        """The bytes of features.py, which have the recorded digest. Nothing of them runs here."""
        if features_digest(definition, None) == version.features_digest:
            return None
        kept = self._cache.features(version.pipeline, version.features_digest)
        if kept is not None:
            if features_digest(definition, kept) == version.features_digest:
                return kept
            _log.error(
                "the cached features code is damaged; it is fetched again",
                pipeline=version.pipeline,
            )
        source = self._fetch_features(version.pipeline, version.commit)
        require_digest(definition, source, version.features_digest)
        if source is not None:
            self._cache.keep_features(version.pipeline, version.features_digest, source)
        return source


def _agree(version: ModelVersion, signature: Signature) -> None:
    """The folder must be the one that the promotion record names, not merely an intact one."""
    recorded = (version.pipeline, version.features_digest, version.format)
    found = (signature.pipeline, signature.features_digest, signature.format)
    if recorded != found:
        raise IntegrityFailure(
            f"the promotion record says {recorded}, the model's signature {found}",
            field="signature.json",
        )
