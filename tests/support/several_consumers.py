"""Several raw servers with a consumer each, over one queue. Consumers are processes."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from delivery import DEADLINE_S, DeliveryScene, record
from more_raw import RawServers

from mlplatform.contracts.request import encode
from mlplatform.contracts.shards import current
from mlplatform.dataapi.moves import Moves
from mlplatform.database import shards
from mlplatform.settings import QueueSettings

COUNT = "SELECT count(*) FROM raw.requests"


class Servers:
    """Two raw servers with a consumer each, over one queue."""

    def __init__(self, raw: RawServers, queue: QueueSettings, folder: Path) -> None:
        self.raw = raw
        self.scenes = {name: self._scene(name, queue, folder) for name in raw.of}
        self.numbers = itertools.count(1)

    def _scene(self, shard: str, queue: QueueSettings, folder: Path) -> DeliveryScene:
        (folder / shard).mkdir()
        each = self.raw.of[shard]
        scene = DeliveryScene(
            queue,
            each.settings("consumer"),
            folder / shard,
            lambda: each.connect("postgres", "raw"),
        )
        own = scene.settings.consumer.model_copy(update={"shard": shard})
        scene.settings = scene.settings.model_copy(update={"consumer": own})
        return scene

    def start(self) -> None:
        """Start all consumers."""
        for scene in self.scenes.values():
            scene.start("consumer")

    def send(self, count: int, *, first: int | None = None) -> None:
        """Put records into the queue, under keys that spread them; `first`: again from there on."""
        sent = range(first, first + count) if first else itertools.islice(self.numbers, count)
        producer = self.scenes["raw"].producer()
        producer.send([(f"box/{n}".encode(), encode(self.record(n))) for n in sent])

    def record(self, number: int) -> Any:
        """The same record for the same number."""
        return record(number, request_id=f"01900000-0000-7000-8000-{number:012d}")

    def await_rows(self, count: int) -> None:
        """Wait until so many are stored, over all servers."""
        deadline = time.monotonic() + DEADLINE_S
        while (found := sum(n for (n,) in self.raw.rows(COUNT))) < count:
            logs = "\n".join(scene.logs() for scene in self.scenes.values())
            assert time.monotonic() < deadline, f"only {found} of {count} stored; {logs}"
            time.sleep(0.05)

    def stored(self) -> list[int]:
        """All numbers, as often as they are stored."""
        found = self.raw.rows("SELECT sequence FROM raw.requests")
        return sorted(number for (number,) in found)

    def spread(self) -> int:
        """One round of what the data API does."""
        with self.raw.pools() as pools:
            return Moves(pools).once()

    def of(self, shard: str) -> set[int]:
        """The partitions that a server stores now."""
        known: dict[int, list[Any]] = {}
        for name, each in self.raw.of.items():
            with each.connect("postgres", "raw") as connection:
                for (_, part), held in shards.held(connection, name).items():
                    known.setdefault(part, []).append(held)
        return {part for part, held in known.items() if current(held).shard == shard}

    def close(self) -> None:
        """End all."""
        for scene in self.scenes.values():
            scene.close()
