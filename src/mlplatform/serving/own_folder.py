"""A model folder that no platform knows of: its proof, and its trial.

The folder has the form that the registry holds, and features.py beside it where the model needs
one. Its bytes are compared with its own manifest; whether that is the right one is for the caller
to say, by the manifest's digest.

This module imports little, so that the trial is under way while the rest of serving is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlplatform.contracts.model import Signature
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.load import read_signature
from mlplatform.engine.predictor import read_definition
from mlplatform.engine.trial_process import TrialProcess
from mlplatform.engine.trials import RunningTrial, Trials
from mlplatform.errors import ManifestMismatch, UnknownName
from mlplatform.features.code import require_digest
from mlplatform.registry import manifest
from mlplatform.serving.proven_folder import ProvenFolder
from mlplatform.settings import RegistrySettings

_VERSION_DIGITS = 12  # of the manifest's digest, as git shortens a commit


@dataclass(frozen=True)
class TriedFolder:
    """A proven folder, whose trial is under way."""

    proven: ProvenFolder
    trials: Trials
    trial: RunningTrial


def begin(
    folder: Path,
    limits: RegistrySettings,
    *,
    manifest_sha256: str | None = None,
    waiting: TrialProcess | None = None,
) -> TriedFolder:
    """Prove the folder, and begin its trial in a child process: `waiting`, if there is one.

    `manifest_sha256`: the only digest that is accepted; None: the folder's own. Raises
    ManifestMismatch, IntegrityFailure, DigestMismatch, InvalidInput, UnknownName (no such folder).
    """
    trials = Trials(
        TrialLimits(limits.load_s, limits.load_memory_bytes),
        trusted=limits.skops_trusted,
        waiting=waiting,
    )
    proven = _proven(folder, manifest_sha256)
    return TriedFolder(proven, trials, proven.begin_trial(trials))


def _proven(folder: Path, manifest_sha256: str | None) -> ProvenFolder:
    found = _digest(folder)
    manifest.verify(folder, manifest_sha256 or found)
    definition = read_definition(folder)
    signature = read_signature(folder).answering(definition.target.dtype)
    code = folder / manifest.BESIDE
    source = code.read_bytes() if code.is_file() else None
    require_digest(definition, source, signature.features_digest)
    return ProvenFolder(_version(signature, found), folder, definition, signature, source)


def _digest(folder: Path) -> str:
    if not folder.is_dir():
        raise UnknownName(
            f"there is no folder {folder}",
            field="FOLDER",
            fix="`mlplatform export` or `mlplatform package` makes one",
        )
    try:
        return manifest.hash_file(folder / manifest.NAME)
    except FileNotFoundError as error:
        raise ManifestMismatch(
            f"{folder} has no {manifest.NAME}: it is not a model folder",
            field="FOLDER",
            fix="`mlplatform export` or `mlplatform package` makes one",
        ) from error


def _version(signature: Signature, manifest_sha256: str) -> ModelVersion:
    """A version that no data API has recorded; its number is the beginning of its digest."""
    return ModelVersion(
        pipeline=signature.pipeline,
        version=manifest_sha256[:_VERSION_DIGITS],
        state="registered",
        run_id="",
        artifacts="",
        manifest_sha256=manifest_sha256,
        features_digest=signature.features_digest,
        commit=signature.commit,
        format=signature.format,
        receipt_id="",
        created_at=datetime.now(UTC),
    )
