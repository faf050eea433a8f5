"""The consumer process."""

from __future__ import annotations

import signal
import threading
from typing import Any

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.errors import RecordsGone, Unavailable
from mlplatform.queue import ensure_topic, open_consumer
from mlplatform.settings import Settings, require
from mlplatform.telemetry import logger, serve_metrics, turned, watch

_TOPIC_RETRY_S = 2.0


def run(settings: Settings) -> None:
    """Move records from the queue to the raw database until SIGTERM or SIGINT.

    Raises RecordsGone when the queue has lost records that were not stored, PlatformError when too
    many in a row are unreadable: both are for a person to decide, and starting again changes
    nothing.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve_metrics(settings.telemetry)
    watch(3 * settings.postgres.statement_timeout_s)
    pool = PrimaryPool(
        require(settings.postgres.raw_dsn, "postgres", "raw_dsn"),
        settings.postgres,
        name="consumer",
    )
    try:
        _consume(settings, RequestStore(pool, topic=settings.queue.topic), stop)
    finally:
        pool.close()


def _consume(settings: Settings, store: RequestStore, stop: threading.Event) -> None:
    consumer = _open(settings, store, stop)
    if consumer is None:
        return
    try:
        ConsumerLoop(consumer, store, settings.consumer, stop=stop).run()
    except RecordsGone as error:
        logger("consumer").error("records are gone", error=str(error))
        raise
    finally:
        consumer.close()


def _open(settings: Settings, store: RequestStore, stop: threading.Event) -> Any:
    while not stop.is_set():
        turned()
        try:
            ensure_topic(settings.queue)
            return open_consumer(settings.queue, positions=store.positions)
        except Unavailable as error:
            logger("consumer").warning("waiting for the queue", error=str(error))
            stop.wait(_TOPIC_RETRY_S)
    return None
