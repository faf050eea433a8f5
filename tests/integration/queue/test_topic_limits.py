"""A topic that somebody else made may allow less than the settings say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import kafka as kafka_python
import pytest

from mlplatform.errors import TooLarge, Unavailable
from mlplatform.queue import ensure_topic, open_consumer, open_producer
from mlplatform.settings import QueueSettings

pytestmark = pytest.mark.kafka


@pytest.fixture
def narrow(kafka_broker: Any) -> Iterator[QueueSettings]:
    """A topic with one partition that takes records of 2 kB; the settings say a megabyte."""
    settings = QueueSettings(
        url=kafka_broker.url,
        topic=f"narrow-{os.getpid()}",
        group=f"narrow-{os.getpid()}",
        partitions=1,
    )
    admin = kafka_python.KafkaAdminClient(
        bootstrap_servers=kafka_broker.url.removeprefix("kafka://")
    )
    topic = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "2000"}}
    admin.create_topics({settings.topic: topic}, wait_for_metadata=True)
    yield settings
    admin.delete_topics([settings.topic])
    admin.close()


def test_a_refused_record_does_not_stop_the_next(narrow: QueueSettings) -> None:
    """The broker refuses the large record only: the same producer goes on with others, in order."""
    ensure_topic(narrow)
    producer, consumer = open_producer(narrow), open_consumer(narrow, positions=lambda _: {})
    producer.send([(b"1", b"small")])
    with pytest.raises(TooLarge, match="refuses a record for its size"):
        producer.send([(b"2", os.urandom(10_000))])
    producer.send([(b"3", b"small")])
    read: list[bytes] = []
    while len(read) < 2:
        read += [record.key for record in consumer.poll(timeout_s=0.2, max_records=10)]
    producer.close()
    consumer.close()

    assert [b"1", b"3"] == read


def test_too_few_brokers_are_waited_for(kafka_broker: Any) -> None:
    """More copies than brokers is no end of a process: the others may still be starting.

    The message names the setting.
    """
    settings = QueueSettings(
        url=kafka_broker.url, topic=f"copies-{os.getpid()}", replication_factor=3
    )

    with pytest.raises(Unavailable, match="fewer brokers than the 3 copies") as refusal:
        ensure_topic(settings)
    assert "MLPLATFORM_QUEUE__REPLICATION_FACTOR" == refusal.value.field
