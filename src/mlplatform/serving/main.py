"""Wire serving together and run it until a signal."""

from __future__ import annotations

from contextlib import ExitStack

from mlplatform import settings as knobs
from mlplatform.access import AccessList
from mlplatform.client.dataapi import DataApi
from mlplatform.errors import UnknownName
from mlplatform.outbox import OutboxWriter
from mlplatform.registry.store import ModelStore
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.follower import Follower
from mlplatform.serving.handler import Handler
from mlplatform.serving.heartbeat import Heartbeat
from mlplatform.serving.loader import FetchFeatures, Loader
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.server import Server
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import Settings, SourceSettings
from mlplatform.source.checkout import checkout

_API_TIMEOUT_S = 5.0
"""The data API answers in milliseconds; at a start without it, this is how long the last good model waits to be used."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises SettingsError when something needed is not set.
    """
    models = knobs.require(settings.serving.models, "serving", "models")
    cache = ModelCache(knobs.require(settings.serving.cache, "serving", "cache"))
    access = _access(settings)
    with ExitStack() as stack:
        api = stack.enter_context(
            DataApi(settings.dataapi.url, settings.dataapi.token, timeout_s=_API_TIMEOUT_S)
        )
        store = stack.enter_context(
            ModelStore(settings.registry.url, credentials=settings.registry.credentials)
        )
        recorder = open_recorder(settings)
        slots = Slots(
            Slot(name, limits=settings.serving, deliver=recorder.submit) for name in models
        )
        heartbeat = Heartbeat(recorder, slots, api=api, every_s=settings.serving.poll_s)
        loader = Loader(
            cache=cache,
            store=store,
            fetch_features=features_from(settings.source),
            trusted=settings.registry.skops_trusted,
        )
        followers = [
            Follower(
                slot,
                api=api,
                loader=loader,
                cache=cache,
                poll_s=settings.serving.poll_s,
                swapped=heartbeat.soon,
            )
            for slot in slots.all()
        ]
        handler = Handler(
            slots=slots,
            access=access,
            limits=settings.serving,
            max_record_bytes=settings.queue.max_record_bytes,
            storable=recorder.refuse_if_hung,
        )
        background = [heartbeat.run, *(follower.run for follower in followers)]
        server: Server

        async def farewell() -> None:
            await heartbeat.last(patience_s=server.patience_s())

        app = create_app(
            Collaborators(
                handler=handler, recorder=recorder, background=background, farewell=farewell
            )
        )
        server = Server(app, slots, settings.serving)
        server.run()


def open_recorder(settings: Settings) -> RequestRecorder:
    """The recorder over the configured outbox. Raises Refused when another process writes it."""
    outbox = settings.outbox
    folder = knobs.require(outbox.folder, "outbox", "folder")
    writer = OutboxWriter.open(
        folder, segment_bytes=outbox.segment_bytes, capacity_bytes=outbox.capacity_bytes
    )
    return RequestRecorder(
        writer,
        max_record_bytes=settings.queue.max_record_bytes,
        capacity_bytes=outbox.capacity_bytes,
    )


def features_from(source: SourceSettings) -> FetchFeatures:
    """Features code out of git.

    A pipeline that the commit lacks has none; the digest then tells that something is wrong.
    """

    def fetch(pipeline: str, commit: str) -> bytes | None:
        try:
            return checkout(source, ref=commit).features(pipeline)
        except UnknownName:
            return None

    return fetch


def _access(settings: Settings) -> AccessList | None:
    if settings.serving.auth == "none":
        return None
    return AccessList.load(knobs.require(settings.access.tokens_file, "access", "tokens_file"))
