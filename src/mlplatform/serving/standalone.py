"""Serve one model folder without the rest of the platform: no data API, registry or queue.

The folder has the form that the registry holds, and features.py beside it where the model needs
one. Its bytes are compared with its own manifest; whether that is the right one is for the caller
to say, by the manifest's digest.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mlplatform.access import AccessList
from mlplatform.contracts.model import Signature
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.load import read_signature
from mlplatform.engine.predictor import read_definition
from mlplatform.errors import ManifestMismatch, UnknownName
from mlplatform.features.code import require_digest
from mlplatform.outbox import OutboxWriter
from mlplatform.registry import manifest
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.handler import Handler
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.opener import Opener
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.server import Server
from mlplatform.serving.slot import Slot, Slots
from mlplatform.serving.unrecorded import Unrecorded
from mlplatform.settings import Settings
from mlplatform.telemetry import logger

_log = logger("serving")
_VERSION_DIGITS = 12  # of the manifest's digest, as git shortens a commit


def run(settings: Settings, folder: Path, *, manifest_sha256: str | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Without `settings.outbox.folder` nothing is stored. `manifest_sha256`: the only digest that is
    accepted; None: the folder's own. Raises ManifestMismatch, UnfitModel, IntegrityFailure,
    InvalidInput, UnknownName (no such folder), SettingsError (the token file), Refused (another
    process writes that outbox).
    """
    serving = settings.serving
    model = open_folder(settings, folder, manifest_sha256=manifest_sha256)
    recorder = _recorder(settings)
    slot = Slot(model.signature.pipeline, limits=serving, deliver=recorder.submit)
    slot.swap(model)
    tokens = settings.access.tokens_file
    access = AccessList.load(tokens) if tokens else None
    handler = Handler(slots=Slots([slot]), recorder=recorder, access=access, limits=serving)
    _say(settings, model)
    app = create_app(Collaborators(handler=handler))
    Server(app, handler, serving, stuck_s=serving.stuck_s).run()


def open_folder(
    settings: Settings, folder: Path, *, manifest_sha256: str | None = None
) -> LoadedModel:
    """The model in `folder`, verified, tried in a child process and warmed up."""
    found = _digest(folder)
    manifest.verify(folder, manifest_sha256 or found)
    definition = read_definition(folder)
    signature = read_signature(folder).answering(definition.target.dtype)
    code = folder / manifest.BESIDE
    source = code.read_bytes() if code.is_file() else None
    require_digest(definition, source, signature.features_digest)
    registry = settings.registry
    opener = Opener(
        trusted=registry.skops_trusted,
        features_s=settings.serving.features_s,
        limits=TrialLimits(registry.load_s, registry.load_memory_bytes),
    )
    return opener.open(_version(signature, found), folder, definition, signature, source)


def _say(settings: Settings, model: LoadedModel) -> None:
    serving = settings.serving
    _log.info(
        "a model of its own",
        model=model.signature.pipeline,
        version=model.version,
        manifest=model.facts.manifest_sha256,
        url=f"http://{serving.host}:{serving.port}/docs",
        stored=str(settings.outbox.folder or "nowhere"),
    )


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


def _recorder(settings: Settings) -> RequestRecorder | Unrecorded:
    most, outbox = settings.queue.max_record_bytes, settings.outbox
    if outbox.folder is None:
        return Unrecorded(max_record_bytes=most)
    writer = OutboxWriter.open(
        outbox.folder, segment_bytes=outbox.segment_bytes, capacity_bytes=outbox.capacity_bytes
    )
    return RequestRecorder(writer, max_record_bytes=most, capacity_bytes=outbox.capacity_bytes)
