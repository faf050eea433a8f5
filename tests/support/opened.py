"""A model folder opened in this process, where a child for each would only cost time."""

from __future__ import annotations

from pathlib import Path

from mlplatform.engine.interface import Engine
from mlplatform.engine.load import load, read_signature


def here(folder: Path, *, trusted: tuple[str, ...] = ()) -> Engine:
    """What the trainer's child loads."""
    return load(folder, read_signature(folder), trusted=trusted)
