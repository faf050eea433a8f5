"""Wire serving together and run it until a signal."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

from mlplatform.access import AccessList
from mlplatform.client.dataapi import DataApi
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.trial_process import TrialProcess
from mlplatform.errors import UnknownName
from mlplatform.memory import end_start
from mlplatform.registry.store import ModelStore
from mlplatform.serving.app import Background, Collaborators, create_app
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.follower import Follower
from mlplatform.serving.former_outboxes import FormerOutboxes, abandoned
from mlplatform.serving.grpc_port import grpc_ports
from mlplatform.serving.handler import Handler
from mlplatform.serving.heartbeat import Heartbeat
from mlplatform.serving.loader import FetchFeatures, Loader
from mlplatform.serving.open_outbox import open_acknowledgements, open_outbox
from mlplatform.serving.ownership import claim
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.server import Server
from mlplatform.serving.slot import Slot, Slots
from mlplatform.serving.worker import ALONE, ServingWorker
from mlplatform.settings import ServingSettings, Settings, SourceSettings, require

_API_TIMEOUT_S = 5.0
"""The data API answers in milliseconds; at a start without it, this is how long the last good model
waits to be used."""


def run(
    settings: Settings, worker: ServingWorker = ALONE, *, waiting: TrialProcess | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises SettingsError for a missing setting.

    `worker`: which of several processes this is; `settings` are its own. `waiting` is for the first
    trial of a model.
    """
    serving = settings.serving
    models = require(serving.models, "serving", "models")
    cache, access = ModelCache(require(serving.cache, "serving", "cache")), _access(settings)
    with (
        DataApi(settings.dataapi.url, settings.dataapi.token, timeout_s=_API_TIMEOUT_S) as api,
        ModelStore(settings.registry.url, credentials=settings.registry.credentials) as store,
        _loads(loader := _loader(settings, cache, store, waiting)) as loads,
    ):
        recorder = open_recorder(settings, api)
        slot = partial(Slot, limits=serving, redaction_key=settings.redaction.key)
        slots = Slots(
            slot(name, deliver=recorder.submit, commit_s=recorder.commit_s) for name in models
        )
        handler = Handler(slots=slots, recorder=recorder, access=access, limits=serving)
        heartbeat = Heartbeat(recorder, slots, api=api, every_s=serving.poll_s)
        follow = partial(
            Follower,
            api=api,
            loader=loader,
            cache=cache,
            poll_s=serving.poll_s,
            swapped=heartbeat.soon,
            any_serves=slots.any_serves,
            loads=loads,
        )
        followers = [follow(slot).run for slot in slots.all()]
        background = [heartbeat.run, *followers, *worker.begin(handler, settings)]
        background += _former(settings, api, worker)
        _serve(serving, handler, heartbeat, background, worker)


def _loader(
    settings: Settings, cache: ModelCache, store: ModelStore, waiting: TrialProcess | None
) -> Loader:
    return Loader(
        cache=cache,
        store=store,
        fetch_features=features_from(settings.source),
        trusted=settings.registry.skops_trusted,
        features_s=settings.serving.features_s,
        limits=TrialLimits(settings.registry.load_s, settings.registry.load_memory_bytes),
        waiting=waiting,
        redaction_key=settings.redaction.key,
    )


@contextmanager
def _loads(loader: Loader) -> Iterator[Executor]:
    """The threads in which models are loaded; what still loads at the end is given up.

    Threads of their own: a load may take its whole time limit, and polls and reports must not wait
    for it. Two of them: one that hangs does not hold up the other pipelines, and more children at
    once would need more memory than a pod has.
    """
    executor = ThreadPoolExecutor(2, thread_name_prefix="load")
    try:
        yield executor
    finally:
        loader.stop()
        executor.shutdown(wait=False, cancel_futures=True)


def _serve(
    serving: ServingSettings,
    handler: Handler,
    heartbeat: Heartbeat,
    background: list[Background],
    worker: ServingWorker,
) -> None:
    calls = grpc_ports(serving, handler)
    app = create_app(
        Collaborators(
            handler=handler,
            background=[*background, *(port.run for port in calls)],
            # The server is made below: it needs the application, and knows when its drain ends.
            farewell=lambda: heartbeat.last(within_s=server.remaining_s()),
            settled=lambda: worker.settle(handler),
            root_path=serving.root_path,
        )
    )
    stuck_s, leaving = serving.stuck_s, [port.leave for port in calls]
    server = Server(
        app, handler, serving, stuck_s=stuck_s, leaving=leaving, listener=worker.listener
    )
    end_start()
    server.run()


def open_recorder(settings: Settings, api: DataApi) -> RequestRecorder:
    """The recorder over the configured outbox. Raises Refused when another process writes it."""
    outbox = settings.outbox
    folder = require(outbox.folder, "outbox", "folder")
    writer = open_outbox(settings, folder)
    claim(writer, api)
    return RequestRecorder(
        writer,
        max_record_bytes=settings.queue.max_record_bytes,
        capacity_bytes=outbox.capacity_bytes,
        acknowledgements=open_acknowledgements(settings, folder),
    )


def _former(settings: Settings, api: DataApi, worker: ServingWorker) -> list[Background]:
    """What reports the outboxes that nobody writes any more, in one of the workers."""
    folder = require(settings.outbox.folder, "outbox", "folder")
    root = folder.parent if worker.number else folder
    folders = abandoned(root, settings.serving.workers)
    if worker.number > 1 or not folders:
        return []

    def opened(folder: Path) -> RequestRecorder:
        # Nothing is stored there any more, so there is nothing to sync or to wait for later.
        serving = settings.serving.model_copy(update={"durability": "sync"})
        outbox = settings.outbox.model_copy(update={"folder": folder})
        own = settings.model_copy(update={"serving": serving, "outbox": outbox})
        return open_recorder(own, api)

    return [FormerOutboxes(folders, opened, api=api, every_s=settings.serving.poll_s).run]


def features_from(source: SourceSettings) -> FetchFeatures:
    """Features code out of git.

    A pipeline that is not in that commit has none; then the digests differ, and loading fails.
    """

    def fetch(pipeline: str, commit: str) -> bytes | None:
        # Git's library takes 10 MiB and a sixth of the time of a start, and most processes never
        # need it: there is no features.py, or it is in the cache.
        source_code = import_module("mlplatform.source.checkout")
        try:
            found: bytes | None = source_code.checkout(source, ref=commit).features(pipeline)
        except UnknownName:
            return None
        return found

    return fetch


def _access(settings: Settings) -> AccessList | None:
    if settings.serving.auth == "none":
        return None
    return AccessList.load(require(settings.access.tokens_file, "access", "tokens_file"))
