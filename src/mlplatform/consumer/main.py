"""The consumer process."""

from __future__ import annotations

import threading
from contextlib import suppress

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.errors import RecordsGone, Unavailable
from mlplatform.loop import Backoff, attempt, stop_on_signals
from mlplatform.queue import Consumer, ensure_topic, open_consumer
from mlplatform.settings import Settings, require
from mlplatform.telemetry import logger
from mlplatform.watchdog import watch
from mlplatform.work_pages import serve_pages

_log = logger("consumer")
_JOINING = Backoff(first_s=2.0, most_s=2.0)  # making a topic takes a broker about a second


def run(settings: Settings) -> None:
    """Move records from the queue to the raw database until SIGTERM or SIGINT.

    Raises RecordsGone when the queue has lost records that were not stored, PlatformError when too
    many in a row are unreadable: both are for a person to decide, and starting again changes
    nothing.
    """
    stop = stop_on_signals()
    serve_pages(settings.telemetry)
    watch(settings.consumer.stuck_s, beside_s=settings.postgres.statement_timeout_s)
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
    def join() -> Consumer:
        ensure_topic(settings.queue)
        return open_consumer(settings.queue, positions=store.positions, bind=store.bind)

    consumer = attempt(join, stop=stop, log=_log, backoff=_JOINING)
    if consumer is None:
        return
    try:
        ConsumerLoop(consumer, store, settings.consumer, stop=stop).run()
    except RecordsGone as error:
        _log.error("records are gone", error=str(error))
        with suppress(Unavailable):  # the next start, which ends in the same way, notes it then
            store.note_refusal(str(error))
        raise
    finally:
        consumer.close()
