"""One real Kafka broker for the whole run of the integration tests.

The jars are kept in `.mlplatform/kafka/lib`, where `make kafka` puts them too, so that only the
first run fetches them. Without Java or mvn, or when mvn can't reach a repository, the tests that
need the broker are skipped, with the reason.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlplatform.errors import SettingsError, Unavailable
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers.kafka import NAME, LocalKafka, fetch, find_java

JARS = Path(__file__).parents[2] / ".mlplatform" / "kafka" / "lib"


class Broker:
    """A broker that a test may stop and start."""

    def __init__(self, kafka: LocalKafka, supervisor: Supervisor, folder: Path) -> None:
        self.url, self.folder = kafka.url, folder
        self._supervisor = supervisor

    def stop(self) -> None:
        """End it; its records stay."""
        self._supervisor.stop(NAME)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._supervisor.start(NAME)


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """The broker; give every test a topic and a group of its own."""
    try:
        java = find_java()
        fetch(JARS)
    except (SettingsError, Unavailable) as error:
        pytest.skip(f"NO KAFKA, this ran on the embedded queue alone: {error}")
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-kafka-"))
    broker = LocalKafka(folder, java, jars=JARS)
    broker.prepare()
    with Supervisor([broker.spec()], logs=folder / "logs") as supervisor:
        supervisor.start()
        yield Broker(broker, supervisor, folder)
    shutil.rmtree(folder)
