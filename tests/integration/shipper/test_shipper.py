"""From outbox to raw database with real processes, over both queues."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from delivery import DeliveryScene

from mlplatform.contracts.request import decode
from mlplatform.errors import OutboxFull
from mlplatform.outbox import OutboxReader

DIES_BEFORE_ACKNOWLEDGING = """
import os
from mlplatform.outbox import OutboxReader
OutboxReader.acknowledge = lambda *_: os._exit(9)
"""
DEADLINE_S = 30.0


def await_empty(writer: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (status := writer.status()).acknowledged < status.accepted:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)


def test_the_outbox_is_emptied(any_scene: Any) -> None:
    """What is appended while the shipper runs is stored once; the outbox ends empty."""
    any_scene.start("shipper")  # before there is an outbox: it waits
    any_scene.start("consumer")
    time.sleep(0.5)
    writer = any_scene.writer()
    for _ in range(20):
        any_scene.append(writer, 25)
    any_scene.await_rows(500)
    await_empty(writer)

    assert any_scene.stored() == list(range(1, 501))
    assert 0 == writer.status().bytes


def test_killed_between_queue_and_acknowledgement(any_scene: Any) -> None:
    """A shipper killed before the acknowledgement sends again: twice in the queue, stored once."""
    writer = any_scene.writer()
    any_scene.append(writer, 60)
    for _ in range(2):
        assert 9 == any_scene.start("shipper", DIES_BEFORE_ACKNOWLEDGING).wait(60)
    any_scene.start("shipper")
    any_scene.start("consumer")
    await_empty(writer)
    any_scene.await_rows(60)
    deadline = time.monotonic() + DEADLINE_S
    while (read := any_scene.rows("SELECT sum(next_offset)::int FROM raw.offsets")[0][0]) < 180:
        assert time.monotonic() < deadline, read
        time.sleep(0.05)

    assert 180 == read
    assert any_scene.stored() == list(range(1, 61))


def test_both_are_killed_at_random(any_scene: Any) -> None:
    """With shipper and consumer killed again and again every accepted record is stored once."""
    chance = random.Random(11)
    writer = any_scene.writer()
    for _ in range(5):
        processes = [any_scene.start("shipper"), any_scene.start("consumer")]
        end = time.monotonic() + chance.uniform(0.8, 1.8)
        while time.monotonic() < end:
            any_scene.append(writer, chance.randrange(1, 30))
            time.sleep(0.01)
        for process in processes:
            process.kill()
            process.wait()
    any_scene.start("shipper")
    any_scene.start("consumer")
    accepted = writer.next_sequence - 1
    await_empty(writer)
    any_scene.await_rows(accepted)

    assert any_scene.stored() == list(range(1, accepted + 1))


def test_sigterm_drains(any_scene: Any) -> None:
    """A shipper that is stopped ships what the outbox still holds, and ends with code 0."""
    writer = any_scene.writer()
    any_scene.append(writer, 1)
    shipper = any_scene.start("shipper")
    await_empty(writer)
    for _ in range(40):
        any_scene.append(writer, 50)
    shipper.terminate()

    assert 0 == shipper.wait(30)
    assert writer.status().acknowledged == writer.status().accepted == 2001


def test_a_record_too_large_for_the_queue(scene: Any) -> None:
    """A record above the limit is a dead letter; its payload stays beside the outbox."""
    writer = scene.writer()
    scene.append(writer, 1)
    scene.append(
        writer,
        1,
        inputs={"text": ["x" * scene.settings.queue.max_record_bytes]},
        client_id="c" * 5000,
    )
    scene.append(writer, 1)
    scene.start("shipper")
    scene.start("consumer")
    scene.await_rows(2)
    await_empty(writer)
    kept = decode((scene.settings.outbox.folder / "oversize" / "2.json").read_bytes())
    deadline = time.monotonic() + DEADLINE_S
    while not (
        letters := scene.rows(
            "SELECT sequence, request_id::text, reason, octet_length(payload) < 2000 "
            "FROM raw.dead_letters"
        )
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert [1, 3] == scene.stored()
    assert (2, scene.settings.queue.max_record_bytes) == (
        kept.sequence,
        len(kept.inputs["text"][0]),
    )
    assert [(2, kept.request_id, True)] == [(row[0], row[1], row[3]) for row in letters]
    assert letters[0][2].endswith(
        f"above the queue's limit of {scene.settings.queue.max_record_bytes}"
    )


def test_a_payload_that_is_no_record(scene: Any) -> None:
    """Bytes that are not a record become a dead letter, and the next records follow."""
    writer = scene.writer()
    writer.append([json.dumps({"outbox_id": writer.outbox_id, "sequence": 1}).encode()])
    scene.append(writer, 1)
    scene.start("shipper")
    scene.start("consumer")
    scene.await_rows(1)

    assert [2] == scene.stored()
    assert scene.rows("SELECT sequence, outbox_id::text FROM raw.dead_letters") == [
        (1, writer.outbox_id)
    ]


def test_two_shippers(scene: Any) -> None:
    """A second shipper of one outbox ends with an error instead of sending everything twice."""
    writer = scene.writer()
    scene.append(writer, 1)
    scene.start("shipper")
    await_empty(writer)

    assert scene.start("shipper").wait(30) != 0
    with pytest.raises(Exception, match="already has a reader"):
        OutboxReader.open(scene.settings.outbox.folder)


@pytest.mark.kafka
def test_the_broker_is_down(
    kafka_queue: Any, kafka_broker: Any, databases: Any, tmp_path: Path
) -> None:
    """While the broker is down serving appends; afterwards every record is stored once."""
    scene = DeliveryScene(
        kafka_queue,
        databases.settings("consumer"),
        tmp_path,
        lambda: databases.connect("postgres", "raw"),
    )
    try:
        writer = scene.writer()
        scene.append(writer, 10)
        shipper, consumer = scene.start("shipper"), scene.start("consumer")
        scene.await_rows(10)
        kafka_broker.stop()
        try:
            for _ in range(50):
                scene.append(writer, 10)
                time.sleep(0.02)
            held = writer.status()
        finally:
            kafka_broker.start()
        await_empty(writer)
        scene.await_rows(510)

        assert (510, 10) == (held.accepted, held.acknowledged)
        assert (None, None) == (shipper.poll(), consumer.poll())
        assert scene.stored() == list(range(1, 511))
    finally:
        scene.close()


def test_the_outbox_is_full(scene: Any) -> None:
    """Without a shipper the outbox refuses at its capacity, until one has caught up."""
    scene.settings = scene.settings.model_copy(
        update={"outbox": scene.settings.outbox.model_copy(update={"capacity_bytes": 256 * 1024})}
    )
    writer = scene.writer()
    with pytest.raises(OutboxFull):
        fill(scene, writer)
    accepted = writer.next_sequence - 1
    scene.start("shipper")
    await_empty(writer)
    scene.append(writer, 10)
    await_empty(writer)

    assert writer.status().accepted == accepted + 10


def fill(scene: Any, writer: Any) -> None:
    for _ in range(1000):
        scene.append(writer, 10)
