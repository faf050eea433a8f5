"""The shipper process."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mlplatform.loop import Backoff, attempt, stop_on_signals
from mlplatform.queue import Producer, checkpoint_queue, ensure_topic, open_producer
from mlplatform.settings import QueueSettings, Settings, require
from mlplatform.shipper.checkpoints import CheckpointWriter
from mlplatform.shipper.loop import ShipperLoop
from mlplatform.shipper.outbox_folders import OutboxFolders
from mlplatform.telemetry import logger
from mlplatform.watchdog import watch
from mlplatform.work_pages import serve_pages

# Serving makes the outbox within a second or two of its start.
_OPENING = Backoff(first_s=0.5, most_s=0.5, log_every=20)


def run(settings: Settings) -> None:
    """Ship from the outboxes to the queue until SIGTERM or SIGINT, and then drain them.

    The drain ends when all are empty or `shipper.drain_s` has passed, also for a queue that
    was never reached. Waits for an outbox to be made (serving does). Raises Refused when another
    shipper reads one of them.
    """
    folder = Path(require(settings.outbox.folder, "outbox", "folder"))
    stop = stop_on_signals()
    serve_pages(settings.telemetry)
    watch(settings.shipper.stuck_s)
    outboxes = OutboxFolders(folder, settings)
    checkpoints = CheckpointWriter(
        settings.audit, lambda: _producer(checkpoint_queue(settings.queue, settings.audit))
    )
    found = attempt(outboxes.found, stop=stop, log=logger("shipper"), backoff=_OPENING)
    if found is None:
        return
    awaited = settings.serving.durability == "replicated"
    producer = partial(_producer, settings.queue)
    loop = ShipperLoop(
        outboxes.found,
        producer,
        settings.shipper,
        stop=stop,
        awaited=awaited,
        checkpoints=checkpoints,
    )
    try:
        loop.run()
    finally:
        loop.close()
        outboxes.close()


def _producer(settings: QueueSettings) -> Producer:
    ensure_topic(settings)
    return open_producer(settings)
