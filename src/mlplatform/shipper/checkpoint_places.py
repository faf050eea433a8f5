"""Where checkpoints go."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.outbox.folder import make
from mlplatform.queue import Producer


class CheckpointFolder:
    """A folder: `<month>/<outbox>.ndjson`, to which lines are only appended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, found: Sequence[Checkpoint]) -> None:
        """Add them, durably. Raises OSError."""
        for each in found:
            folder = self._folder / f"{each.at:%Y-%m}"
            make(folder)
            _append(folder / f"{each.outbox_id}.ndjson", each.model_dump_json().encode() + b"\n")


class CheckpointTopic:
    """A topic of the queue, which `connect` opens."""

    def __init__(self, connect: Callable[[], Producer]) -> None:
        self._connect = connect
        self._producer: Producer | None = None

    def write(self, found: Sequence[Checkpoint]) -> None:
        """Send them. Raises Unavailable."""
        if self._producer is None:
            self._producer = self._connect()
        self._producer.send(
            [(each.outbox_id.encode(), each.model_dump_json().encode()) for each in found]
        )

    def close(self) -> None:
        """Give up the connection."""
        if self._producer is not None:
            self._producer.close()
        self._producer = None


def _append(path: Path, line: bytes) -> None:
    """Add a line, durably; behind what a crash has left of another one, on a line of its own."""
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
