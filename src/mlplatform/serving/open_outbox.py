"""The writing end of serving's outbox, as the settings say."""

from __future__ import annotations

from pathlib import Path

from mlplatform.outbox import OutboxWriter
from mlplatform.serving.acknowledgements import Acknowledgements
from mlplatform.settings import Settings


def open_outbox(settings: Settings, folder: Path) -> OutboxWriter:
    """Open it. Raises Refused when another process writes there."""
    outbox, serving = settings.outbox, settings.serving
    writer = OutboxWriter.open(
        folder, segment_bytes=outbox.segment_bytes, capacity_bytes=outbox.capacity_bytes
    )
    if serving.durability == "interval":
        writer.sync_every(serving.durability_interval_ms / 1000)
    return writer


def open_acknowledgements(settings: Settings, folder: Path) -> Acknowledgements | None:
    """What holds answers back until the queue has their records; None where none does."""
    serving = settings.serving
    if serving.durability != "replicated":
        return None
    return Acknowledgements(folder, within_s=serving.durability_wait_s)
