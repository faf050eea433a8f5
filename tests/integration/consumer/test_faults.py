"""Consumers as processes that are killed, and databases that go away, over both queues."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from delivery import DeliveryScene, record

from mlplatform.contracts.request import encode

DIES_BEFORE_TELLING_THE_QUEUE = """
import os
from mlplatform.queue import embedded, kafka
embedded.EmbeddedConsumer.commit = kafka.KafkaConsumer.commit = lambda *_: os._exit(9)
"""


def messages(numbers: range) -> list[tuple[bytes, bytes]]:
    return [(f"key {number}".encode(), encode(record(number))) for number in numbers]


def test_killed_between_the_database_and_the_queue(any_scene: Any) -> None:
    """A consumer killed after its commit in the database makes no duplicates, loses nothing."""
    any_scene.producer().send(messages(range(1, 301)))
    for _ in range(2):
        assert 9 == any_scene.start("consumer", DIES_BEFORE_TELLING_THE_QUEUE).wait(60)
    between = len(any_scene.stored())
    any_scene.start("consumer")
    any_scene.await_rows(300)

    assert 0 < between
    assert any_scene.stored() == list(range(1, 301))


def test_killed_at_random(any_scene: Any) -> None:
    """A consumer that is killed again and again stores every record once."""
    chance = random.Random(3)
    producer = any_scene.producer()
    for start in range(1, 4001, 800):
        producer.send(messages(range(start, start + 800)))
        process = any_scene.start("consumer")
        time.sleep(chance.uniform(0.4, 1.6))
        process.kill()
        process.wait()
    any_scene.start("consumer")
    any_scene.await_rows(4000)

    assert any_scene.stored() == list(range(1, 4001))


def test_two_share_and_one_dies(any_scene: Any) -> None:
    """When one of two consumers is killed, the other stores its records, each once."""
    producer = any_scene.producer()
    producer.send(messages(range(1, 201)))
    first, _ = any_scene.start("consumer"), any_scene.start("consumer")
    any_scene.await_rows(200)
    for start in range(201, 1001, 200):
        producer.send(messages(range(start, start + 200)))
        time.sleep(0.3)
    first.kill()
    producer.send(messages(range(1001, 1201)))
    any_scene.await_rows(1200)

    assert any_scene.stored() == list(range(1, 1201))


def test_a_consumer_ends_well(any_scene: Any) -> None:
    """SIGTERM ends a consumer with code 0 within seconds, and what it had stored stays."""
    any_scene.producer().send(messages(range(1, 51)))
    process = any_scene.start("consumer")
    any_scene.await_rows(50)
    process.terminate()

    assert 0 == process.wait(20)
    assert any_scene.stored() == list(range(1, 51))


@pytest.fixture
def fragile(queue: Any, throwaway: Any, tmp_path: Path) -> Iterator[Any]:
    """A scene over a database of its own, which may be stopped."""

    def inspect() -> psycopg.Connection[Any]:
        return throwaway.superuser("raw")

    postgres = throwaway.servers.settings("consumer", raw="raw", warehouse="warehouse")
    scene = DeliveryScene(queue, postgres, tmp_path, inspect)
    yield scene
    scene.close()


def test_the_database_restarts_meanwhile(fragile: Any, throwaway: Any) -> None:
    """Through restarts of the database the consumer goes on and stores every record once."""
    producer = fragile.producer()
    sent = threading.Event()

    def send() -> None:
        for start in range(1, 2001, 100):
            producer.send(messages(range(start, start + 100)))
            time.sleep(0.1)
        sent.set()

    process = fragile.start("consumer")
    fragile.producer()
    sender = threading.Thread(target=send)
    sender.start()
    fragile.await_rows(100)
    throwaway.supervisor.restart("postgres-primary")
    throwaway.supervisor.stop("postgres-primary")
    time.sleep(3.0)
    throwaway.supervisor.start("postgres-primary")
    sender.join()
    fragile.await_rows(2000)

    assert sent.is_set()
    assert process.poll() is None
    assert fragile.stored() == list(range(1, 2001))


def test_no_database_at_the_start(fragile: Any, throwaway: Any) -> None:
    """A consumer that is started before its database waits for it."""
    throwaway.supervisor.stop("postgres-primary")
    fragile.producer().send(messages(range(1, 51)))
    process = fragile.start("consumer")
    time.sleep(2.0)
    throwaway.supervisor.start("postgres-primary")
    fragile.await_rows(50)

    assert process.poll() is None
    assert fragile.stored() == list(range(1, 51))
