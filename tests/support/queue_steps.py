"""What the tests of lost and foreign queues do with a scene of tests/support/delivery.py."""

from __future__ import annotations

import threading
import time
from typing import Any

import kafka as kafka_python
from delivery import DEADLINE_S, DeliveryScene

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.contracts.request import RequestRecord, encode
from mlplatform.database import queue_offsets
from mlplatform.database.requests import RequestStore
from mlplatform.errors import Unavailable
from mlplatform.queue import ensure_topic, open_consumer


def send(scene: DeliveryScene, records: list[RequestRecord]) -> None:
    """Each under a key of its own: over all partitions."""
    producer = scene.producer()
    producer.send([(one.request_id.encode(), encode(one)) for one in records])


def consume(scene: DeliveryScene, store: RequestStore, *, until: int, steps: int = 0) -> None:
    """A consumer that begins anew, until so many requests are stored, and for so many steps."""
    consumer = open_consumer(scene.settings.queue, positions=store.positions, bind=store.bind)
    loop = ConsumerLoop(consumer, store, scene.settings.consumer, stop=threading.Event())
    deadline = time.monotonic() + DEADLINE_S
    try:
        while (len(scene.stored()) < until or steps > 0) and time.monotonic() < deadline:
            steps -= 1
            try:
                loop.step()
            except Unavailable:
                time.sleep(0.1)
    finally:
        consumer.close()


def make_anew(scene: DeliveryScene) -> None:
    """Delete the topic with all records, and make it again under its name."""
    queue = scene.settings.queue
    if queue.url.startswith("sqlite"):
        for path in scene.folder.glob("queue.sqlite*"):
            path.unlink()
        ensure_topic(queue)
        return
    admin = kafka_python.KafkaAdminClient(bootstrap_servers=queue.url.removeprefix("kafka://"))
    admin.delete_topics([queue.topic])
    deadline = time.monotonic() + DEADLINE_S
    while queue.topic in admin.list_topics() and time.monotonic() < deadline:
        time.sleep(0.1)
    admin.close()
    ensure_topic(queue)


def reset(scene: DeliveryScene, databases: Any, etl: dict[str, int]) -> None:
    """What the data API does, with its rights."""
    with databases.connect("dataapi", "raw") as connection:
        queue_offsets.reset(connection, scene.settings.queue.topic, etl)
