"""The consumer process."""

from __future__ import annotations

import threading

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.contracts.shards import FIRST
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.errors import RecordsGone, Unavailable
from mlplatform.loop import Backoff, Deadline, attempt, stop_on_signals
from mlplatform.queue import Consumer, ensure_topic, open_consumer
from mlplatform.settings import QueueSettings, Settings, require
from mlplatform.telemetry import logger
from mlplatform.watchdog import turned, watch
from mlplatform.work_pages import serve_pages

_log = logger("consumer")
# One that ended at once would never count as started where others wait for it to be up, such as the
# data API, which a reset needs.
_STAY_S = 40.0
_AGAIN_S = 1.0
_JOINING = Backoff(first_s=2.0, most_s=2.0)  # making a topic takes a broker about a second


def run(settings: Settings) -> None:
    """Move records from the queue to the raw database until SIGTERM or SIGINT.

    Raises RecordsGone when the queue has lost records that were not stored, or is another one, and
    was not reset for a while; PlatformError when too many in a row are unreadable: both are for a
    person to decide, and starting again changes nothing.
    """
    stop = stop_on_signals()
    serve_pages(settings.telemetry)
    watch(settings.consumer.stuck_s, beside_s=settings.postgres.statement_timeout_s)
    pool = PrimaryPool(
        require(settings.postgres.raw_dsn, "postgres", "raw_dsn"),
        settings.postgres,
        name="consumer",
    )
    shard = settings.consumer.shard
    try:
        _consume(settings, RequestStore(pool, topic=settings.queue.topic, shard=shard), stop)
    finally:
        pool.close()


def _consume(settings: Settings, store: RequestStore, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            _read(settings, store, stop)
        except RecordsGone as error:
            _log.error("records are gone", error=str(error))
            if not _was_reset(store, str(error), stop):
                raise


def _read(settings: Settings, store: RequestStore, stop: threading.Event) -> None:
    queue = _own_group(settings)

    def join() -> Consumer:
        ensure_topic(queue)
        return open_consumer(queue, positions=store.positions, bind=store.bind)

    consumer = attempt(join, stop=stop, log=_log, backoff=_JOINING)
    if consumer is None:
        return
    try:
        ConsumerLoop(consumer, store, settings.consumer, stop=stop).run()
    finally:
        consumer.close()


def _own_group(settings: Settings) -> QueueSettings:
    """The queue, with a group for each raw server.

    All its partitions are shared out in each group, since one may go on at any server.
    """
    shard = settings.consumer.shard
    if shard == FIRST:
        return settings.queue
    return settings.queue.model_copy(update={"group": f"{settings.queue.group}.{shard}"})


def _was_reset(store: RequestStore, why: str, stop: threading.Event) -> bool:
    """Say why nothing is read, and wait a while for `mlplatform queue reset`, or the stop."""
    over = Deadline(_STAY_S)
    try:
        before = store.note_refusal(why)
        while not (stop.is_set() or over.is_set()):
            turned()
            stop.wait(_AGAIN_S)
            if store.resets() > before:
                return True
    except Unavailable as error:  # the next start, which ends in the same way, says it then
        _log.warning("can't note that nothing is read", error=str(error))
    return stop.is_set()
