"""The way from the outbox to the raw database, for the tests of shipper and consumer.

Their processes, a queue, and what a superuser finds in the database. The conftest.py of both
folders imports the fixtures.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlplatform.contracts.request import RequestRecord, encode, new_request_id
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.outbox import OutboxWriter
from mlplatform.queue import Producer, ensure_topic, open_producer
from mlplatform.settings import (
    ConsumerSettings,
    OutboxSettings,
    PostgresSettings,
    QueueSettings,
    Settings,
    ShipperSettings,
)

DEADLINE_S = 60.0
_topics = itertools.count(1)
OUTBOX_ID = str(uuid.uuid4())


def record(sequence: int, *, outbox_id: str = OUTBOX_ID, **changes: Any) -> RequestRecord:
    """A good record."""
    values: dict[str, Any] = {
        "outbox_id": outbox_id,
        "sequence": sequence,
        "request_id": new_request_id(),
        "pipeline": "demo",
        "version": "3",
        "caller": "tester",
        "received_us": 1_700_000_000_123_456,
        "rows": 1,
        "inputs": {"a": [sequence]},
        "outputs": {"prediction": [0.5]},
    }
    return RequestRecord(**(values | changes))


class DeliveryScene:
    """One topic, one outbox folder, one raw database.

    Processes are started by name and killed at the end.
    """

    def __init__(
        self,
        queue: QueueSettings,
        postgres: PostgresSettings,
        folder: Path,
        inspect: Callable[[], psycopg.Connection[Any]],
    ) -> None:
        self.settings = Settings(
            queue=queue,
            postgres=postgres,
            outbox=OutboxSettings(
                folder=folder / "outbox", segment_bytes=64 * 1024, capacity_bytes=64 * 1024 * 1024
            ),
            consumer=ConsumerSettings(batch_records=200, poll_s=0.1),
            shipper=ShipperSettings(batch_records=100, idle_s=0.02, drain_s=5.0),
        )
        self.folder = folder
        self.inspect = inspect
        self.more: dict[str, str] = {}  # environment of what is started from now on
        self._processes: list[subprocess.Popen[bytes]] = []
        self._closing: list[Any] = []
        ensure_topic(queue)

    def start(self, name: str, prelude: str = "") -> subprocess.Popen[bytes]:
        """Start shipper or consumer as a process; `prelude` is Python that runs there first."""
        program = (
            f"{prelude}\nfrom mlplatform.{name}.main import run\n"
            "from mlplatform.settings import load\nrun(load())\n"
        )
        with (self.folder / f"{name}.log").open("ab") as log:
            return self.run(["-c", program], stdout=log, stderr=log)

    def run(self, words: list[str], **streams: Any) -> subprocess.Popen[bytes]:
        """Start Python with these words in the environment of shipper and consumer."""
        process = subprocess.Popen([sys.executable, *words], env=self._environment(), **streams)
        self._processes.append(process)
        return process

    def store(self) -> RequestStore:
        """The consumer's side of the database."""
        pool = PrimaryPool(self.settings.postgres.raw_dsn, self.settings.postgres, name="test")
        self._closing.append(pool)
        return RequestStore(pool, topic=self.settings.queue.topic)

    def producer(self) -> Producer:
        """Straight into the queue."""
        producer = open_producer(self.settings.queue)
        self._closing.append(producer)
        return producer

    def writer(self) -> OutboxWriter:
        """Serving's end of the outbox."""
        outbox = self.settings.outbox
        writer = OutboxWriter.open(
            outbox.folder, segment_bytes=outbox.segment_bytes, capacity_bytes=outbox.capacity_bytes
        )
        self._closing.append(writer)
        return writer

    def append(self, writer: OutboxWriter, count: int, **changes: Any) -> None:
        """Put records into the outbox as serving does."""
        first = writer.next_sequence
        writer.append(
            [encode(record(first + n, outbox_id=writer.outbox_id, **changes)) for n in range(count)]
        )

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a superuser finds in the raw database."""
        with self.inspect() as connection:
            return connection.execute(query, values).fetchall()

    def stored(self) -> list[int]:
        """Numbers of all stored requests, ascending, as often as they are there."""
        return [row[0] for row in self.rows("SELECT sequence FROM raw.requests ORDER BY sequence")]

    def await_rows(self, count: int) -> None:
        """Wait until so many requests are stored."""
        deadline = time.monotonic() + DEADLINE_S
        while (found := self.rows("SELECT count(*) FROM raw.requests")[0][0]) < count:
            assert time.monotonic() < deadline, f"only {found} of {count} stored; {self.logs()}"
            time.sleep(0.05)

    def release(self) -> None:
        """Close what this process has open."""
        while self._closing:
            self._closing.pop().close()

    def close(self) -> None:
        """Kill what still runs, close what is open."""
        for process in self._processes:
            process.kill()
            process.wait()
        self.release()

    def logs(self) -> str:
        """The ends of the processes' logs."""
        return "\n".join(path.read_text()[-1500:] for path in self.folder.glob("*.log"))

    def _environment(self) -> dict[str, str]:
        found = {"PATH": os.defpath} | self.more
        for group in ("queue", "postgres", "outbox", "consumer", "shipper"):
            for name, value in getattr(self.settings, group):
                if value is not None and value != "":
                    plain = (
                        value.get_secret_value() if hasattr(value, "get_secret_value") else value
                    )
                    found[f"MLPLATFORM_{group}__{name}".upper()] = str(plain)
        return found


@pytest.fixture
def embedded_queue(tmp_path: Path) -> QueueSettings:
    """A queue in a fresh file."""
    return QueueSettings(url=f"sqlite:///{tmp_path / 'queue.sqlite'}", partitions=3)


@pytest.fixture
def kafka_queue(request: pytest.FixtureRequest) -> QueueSettings:
    """A fresh topic on the real broker."""
    name = f"delivery-{os.getpid()}-{next(_topics)}"
    return QueueSettings(
        url=request.getfixturevalue("kafka_broker").url, partitions=3, topic=name, group=name
    )


@pytest.fixture(params=["embedded_queue", pytest.param("kafka_queue", marks=pytest.mark.kafka)])
def queue(request: pytest.FixtureRequest) -> QueueSettings:
    """Both queues, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def scene(embedded_queue: QueueSettings, databases: Any, tmp_path: Path) -> Iterator[DeliveryScene]:
    """A scene over the embedded queue."""
    found = DeliveryScene(
        embedded_queue,
        databases.settings("consumer"),
        tmp_path,
        lambda: databases.connect("postgres", "raw"),
    )
    yield found
    found.close()


@pytest.fixture
def any_scene(queue: QueueSettings, databases: Any, tmp_path: Path) -> Iterator[DeliveryScene]:
    """A scene over each of both queues."""
    found = DeliveryScene(
        queue,
        databases.settings("consumer"),
        tmp_path,
        lambda: databases.connect("postgres", "raw"),
    )
    yield found
    found.close()
