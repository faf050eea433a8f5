"""Serve one model folder without the rest of the platform: no data API, registry or queue."""

from __future__ import annotations

from mlplatform.access import AccessList
from mlplatform.memory import end_start
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.grpc_port import grpc_ports
from mlplatform.serving.handler import Handler
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.open_outbox import open_outbox
from mlplatform.serving.opener import Opener
from mlplatform.serving.own_folder import TriedFolder
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.server import Server
from mlplatform.serving.slot import Slot, Slots
from mlplatform.serving.unrecorded import Unrecorded
from mlplatform.serving.worker import ALONE, ServingWorker
from mlplatform.settings import Settings
from mlplatform.telemetry import logger

_log = logger("serving")


def run(settings: Settings, folder: TriedFolder, worker: ServingWorker = ALONE) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Without `settings.outbox.folder` nothing is stored. Raises UnfitModel, IntegrityFailure,
    InvalidInput, SettingsError (the token file), Refused (another process writes that outbox).
    """
    serving = settings.serving
    opener = Opener(
        trusted=settings.registry.skops_trusted,
        features_s=serving.features_s,
        trials=folder.trials,
        redaction_key=settings.redaction.key,
    )
    model = opener.open(folder.proven, folder.trial)
    recorder = _recorder(settings)
    slot = Slot(
        model.signature.pipeline,
        limits=serving,
        deliver=recorder.submit,
        commit_s=recorder.commit_s,
    )
    slot.swap(model)
    tokens = settings.access.tokens_file
    access = AccessList.load(tokens) if tokens else None
    handler = Handler(slots=Slots([slot]), recorder=recorder, access=access, limits=serving)
    _say(settings, model)
    ports = grpc_ports(serving, handler)
    background = [*(port.run for port in ports), *worker.begin(handler, settings)]
    app = create_app(Collaborators(handler, background, root_path=serving.root_path))
    stuck_s, leaving = serving.stuck_s, [port.leave for port in ports]
    end_start()
    Server(app, handler, serving, stuck_s=stuck_s, leaving=leaving, listener=worker.listener).run()


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


def _recorder(settings: Settings) -> RequestRecorder | Unrecorded:
    most, outbox = settings.queue.max_record_bytes, settings.outbox
    if outbox.folder is None:
        return Unrecorded(max_record_bytes=most)
    writer = open_outbox(settings, outbox.folder)
    return RequestRecorder(writer, max_record_bytes=most, capacity_bytes=outbox.capacity_bytes)
