"""The shipper process."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from mlplatform.errors import Unavailable
from mlplatform.outbox import OutboxReader
from mlplatform.queue import Producer, ensure_topic, open_producer
from mlplatform.settings import QueueSettings, Settings, require
from mlplatform.shipper.loop import ShipperLoop
from mlplatform.telemetry import logger, serve_metrics, turned, watch

_RETRY_S = 0.5
_QUIET = 20  # tries between two lines in the log


def run(settings: Settings) -> None:
    """Ship from the outbox to the queue until SIGTERM or SIGINT, then until it is empty or `shipper.drain_s` has passed.

    Waits for the outbox to be made (serving does); once it is there, also a queue that was never
    reached has the drain's time. Raises IntegrityFailure when a durable record can't be read,
    Refused when another shipper reads this outbox.
    """
    folder = Path(require(settings.outbox.folder, "outbox", "folder"))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve_metrics(settings.telemetry)
    watch()
    reader = _opened(folder, stop)
    if reader is None:
        return
    loop = ShipperLoop(reader, lambda: _producer(settings.queue), settings, folder, stop=stop)
    try:
        loop.run()
    finally:
        loop.close()
        reader.close()


def _producer(settings: QueueSettings) -> Producer:
    ensure_topic(settings)
    return open_producer(settings)


def _opened(folder: Path, stop: threading.Event) -> OutboxReader | None:
    """The outbox, as soon as it is there; None when stopped before."""
    tries = 0
    while not stop.is_set():
        turned()
        try:
            return OutboxReader.open(folder)
        except Unavailable as error:
            if tries % _QUIET == 0:
                logger("shipper").info("waiting", error=str(error))
            tries += 1
            stop.wait(_RETRY_S)
    return None
