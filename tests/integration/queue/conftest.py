"""Queues to test: the embedded one in a fresh file, Kafka with a fresh topic.

Both have three partitions.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlplatform.queue import Consumer, Producer, ensure_topic, open_consumer, open_producer
from mlplatform.settings import QueueSettings

_topics = itertools.count(1)


@dataclass
class Scene:
    """One topic, with everything that was opened on it."""

    settings: QueueSettings
    stored: dict[int, int] = field(default_factory=dict)  # what the database of this scene holds
    asked: list[list[int]] = field(default_factory=list)
    _open: list[Producer | Consumer] = field(default_factory=list)

    def producer(self) -> Producer:
        """A producer, closed at the end of the test."""
        return self._keep(open_producer(self.settings))

    def consumer(
        self, positions: Callable[[Sequence[int]], Mapping[int, int]] | None = None
    ) -> Consumer:
        """A member of the group, which begins where `stored` says."""
        return self._keep(open_consumer(self.settings, positions=positions or self.positions))

    def positions(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """What the database would answer."""
        self.asked.append(sorted(partitions))
        return {
            partition: self.stored[partition]
            for partition in partitions
            if partition in self.stored
        }

    def close(self) -> None:
        """Close what the test has not."""
        for end in self._open:
            end.close()

    def _keep(self, end: Any) -> Any:
        self._open.append(end)
        return end


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Scene]:
    """The embedded queue."""
    scene = Scene(QueueSettings(url=f"sqlite:///{tmp_path / 'queue.sqlite'}", partitions=3))
    ensure_topic(scene.settings)
    yield scene
    scene.close()


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A topic on the real broker."""
    broker = request.getfixturevalue("kafka_broker")
    name = f"test-{os.getpid()}-{next(_topics)}"
    scene = Scene(QueueSettings(url=broker.url, partitions=3, topic=name, group=name))
    ensure_topic(scene.settings)
    yield scene
    scene.close()
