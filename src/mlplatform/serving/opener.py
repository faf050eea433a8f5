"""From a proven model folder and its features code to a warm model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import SecretStr

from mlplatform.engine import known_rows
from mlplatform.engine.load import load as load_engine
from mlplatform.engine.predictor import refuse_other_features
from mlplatform.engine.trials import RunningTrial, Trials
from mlplatform.features.code import load as load_features
from mlplatform.features.redact import redactor
from mlplatform.memory import give_back, set_aside
from mlplatform.registry import manifest
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.proven_folder import ProvenFolder
from mlplatform.serving.warmup import warm_up


class Opener:
    """Blocking; run it in a thread. Safe for several models at once."""

    def __init__(
        self,
        *,
        trusted: Sequence[str],
        features_s: float | None,
        trials: Trials,
        redaction_key: SecretStr | None = None,
    ) -> None:
        self._trusted = tuple(trusted)
        self._features_s = features_s
        self._trials = trials
        self._redaction_key = redaction_key

    def open(self, proven: ProvenFolder, trial: RunningTrial | None = None) -> LoadedModel:
        """The model: tried in a child process, then loaded here and warmed up.

        `trial` is its own, where that was begun before. Raises UnfitModel, IntegrityFailure,
        InvalidInput.
        """
        rules = proven.definition.redact
        redacts = redactor(proven.definition.name, rules, self._redaction_key)
        multiple = (trial or proven.begin_trial(self._trials)).padding()
        version, folder, definition = proven.version, proven.folder, proven.definition
        # Code of others ran in the child, and could reach these files.
        manifest.verify(folder, version.manifest_sha256)
        features = load_features(
            definition,
            proven.source,
            digest=version.features_digest,
            limit_s=self._features_s,
            history=partial(known_rows.read, folder, definition),
        )
        refuse_other_features(proven.signature, features)
        engine = load_engine(folder, proven.signature, trusted=self._trusted)
        return _warm(LoadedModel(version, proven.signature, features, engine, redacts), multiple)

    def stop(self) -> None:
        """End the trials that run: this process is about to end, and must not wait for them."""
        self._trials.stop()


def _warm(model: LoadedModel, multiple: int) -> LoadedModel:
    model.multiple = multiple
    warm_up(model)
    set_aside()
    give_back()
    return model
