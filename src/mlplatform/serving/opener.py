"""From a proven model folder and its features code to a warm model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine import known_rows
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.load import load as load_engine
from mlplatform.engine.predictor import refuse_other_features
from mlplatform.engine.trials import Trials
from mlplatform.features.code import load as load_features
from mlplatform.registry import manifest
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.warmup import warm_up


class Opener:
    """Blocking; run it in a thread. Safe for several models at once."""

    def __init__(
        self, *, trusted: Sequence[str], features_s: float | None, limits: TrialLimits
    ) -> None:
        self._trusted = tuple(trusted)
        self._features_s = features_s
        self._trials = Trials(limits, trusted=self._trusted)

    def open(
        self,
        version: ModelVersion,
        folder: Path,
        definition: PipelineDefinition,
        signature: Signature,
        source: bytes | None,
    ) -> LoadedModel:
        """The model: tried in a child process, then loaded here and warmed up.

        `source` are the bytes of features.py. Raises UnfitModel, IntegrityFailure, InvalidInput.
        """
        name = f"version {version.version} of '{version.pipeline}'"
        multiple = self._trials.run(folder, source, name=name)
        # Code of others ran in the child, and could reach these files.
        manifest.verify(folder, version.manifest_sha256)
        digest, known = version.features_digest, partial(known_rows.read, folder, definition)
        limit_s = self._features_s
        features = load_features(definition, source, digest=digest, limit_s=limit_s, history=known)
        refuse_other_features(signature, features)
        engine = load_engine(folder, signature, trusted=self._trusted)
        return _warm(LoadedModel(version, signature, features, engine), multiple)

    def stop(self) -> None:
        """End the trials that run: this process is about to end, and must not wait for them."""
        self._trials.stop()


def _warm(model: LoadedModel, multiple: int) -> LoadedModel:
    model.multiple = multiple
    warm_up(model)
    return model
