"""The shipper process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mlplatform.errors import Unavailable
from mlplatform.outbox import OutboxReader
from mlplatform.queue import Producer, ensure_topic, open_producer
from mlplatform.settings import Queue, Settings, require
from mlplatform.shipper.road import Road
from mlplatform.telemetry import logger, serve_metrics, turned, watch

_RETRY_S = 0.5
_QUIET = 20  # tries between two lines in the log
T = TypeVar("T")


def run(settings: Settings) -> None:
    """Ship from the outbox to the queue until SIGTERM or SIGINT, then until it is empty or `shipper.drain_s` has passed.

    Waits for the outbox to be made (serving does) and for the queue to be there. Raises IntegrityFailure when a durable record can't be
    read, Refused when another shipper reads this outbox.
    """
    folder = Path(require(settings.outbox.folder, "outbox", "folder"))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve_metrics(settings.telemetry)
    watch()
    reader = _wait(lambda: OutboxReader.open(folder), stop)
    if reader is None:
        return
    try:
        producer = _wait(lambda: _producer(settings.queue), stop)
        if producer is None:
            return
        try:
            Road(reader, producer, settings, folder, stop=stop).run()
        finally:
            producer.close()
    finally:
        reader.close()


def _producer(settings: Queue) -> Producer:
    ensure_topic(settings)
    return open_producer(settings)


def _wait(attempt: Callable[[], T], stop: threading.Event) -> T | None:
    """Try until it works; None when stopped before."""
    tries = 0
    while not stop.is_set():
        turned()
        try:
            return attempt()
        except Unavailable as error:
            if tries % _QUIET == 0:
                logger("shipper").info("waiting", error=str(error))
            tries += 1
            stop.wait(_RETRY_S)
    return None
