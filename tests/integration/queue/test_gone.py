"""Records that Kafka removed before they were stored are a loss, and an error."""

from __future__ import annotations

import gc
import time
from typing import Any

import kafka as kafka_python
import pytest
from kafka.structs import TopicPartition

from mlplatform.errors import RecordsGone, Unavailable
from mlplatform.queue import open_consumer, open_producer
from mlplatform.settings import QueueSettings

pytestmark = pytest.mark.kafka
DEADLINE_S = 30.0


def remove(scene: Any, below: int) -> None:
    """Remove the first records of all partitions, as retention does."""
    admin = kafka_python.KafkaAdminClient(
        bootstrap_servers=scene.settings.url.removeprefix("kafka://")
    )
    admin.delete_records(
        {TopicPartition(scene.settings.topic, partition): below for partition in range(3)}
    )
    admin.close()


def read_all(consumer: Any, count: int) -> int:
    found = 0
    deadline = time.monotonic() + DEADLINE_S
    while found < count and time.monotonic() < deadline:
        found += len(consumer.poll(timeout_s=0.2, max_records=100))
    return found


def test_gone_before_the_start(kafka: Any) -> None:
    """A consumer that starts too late names how many records are gone, and reads nothing."""
    kafka.producer().send([(f"key {number}".encode(), b"value") for number in range(60)])
    remove(kafka, 5)
    kafka.stored.update({0: 2, 1: 5, 2: 5})

    with pytest.raises(
        RecordsGone,
        match=r"3 records of .*/0 are gone: "
        r"the database ends before offset 2, the queue begins at 5",
    ):
        read_all(kafka.consumer(), 1)


def test_gone_under_a_running_consumer(kafka: Any) -> None:
    """A consumer that retention overtakes while it waits stops as loudly."""
    producer, consumer = kafka.producer(), kafka.consumer()
    producer.send([(f"key {number}".encode(), b"value") for number in range(60)])
    assert 60 == read_all(consumer, 60)
    consumer.seek({0: 1})
    remove(kafka, 4)

    with pytest.raises(RecordsGone, match=r"are gone"):
        read_all(consumer, 10**6)


# kafka-python leaves sockets of refused connections to the garbage collector, which is when Python
# warns of them
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
def test_a_broker_that_is_not_there() -> None:
    """Clients of a broker that never answers say so within seconds, and may try again."""
    settings = QueueSettings(url="kafka://127.0.0.1:1")
    producer, consumer = open_producer(settings), open_consumer(settings, positions=lambda _: {})
    for _ in range(2):
        with pytest.raises(Unavailable):
            producer.send([(b"key", b"value")])
        with pytest.raises(Unavailable):
            consumer.poll(timeout_s=0.1, max_records=1)
    producer.close()
    consumer.close()
    gc.collect()

    assert frozenset() == consumer.assigned
