"""Checkpoints of a real shipper, over both queues, and a restart of serving's end in between."""

from __future__ import annotations

import time
from typing import Any

from chained import encoded

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.request import encode
from mlplatform.evidence import keys, signatures
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.queue import checkpoint_queue, open_consumer
from mlplatform.serving.chain import RecordChain
from mlplatform.settings import AuditSettings

DEADLINE_S = 30.0
PAIR = keys.new_pair()


def append(scene: Any, count: int) -> str:
    """What a run of serving stores; returns the outbox's id."""
    writer = scene.writer()
    chain = RecordChain(writer)
    group = chain.group()
    for number in range(writer.next_number, writer.next_number + count):
        record = group.sealed(encoded(number, outbox_id=writer.outbox_id))
        group.take(record, encode(record))
    writer.append(group.payloads)
    chain.stored(group)
    outbox_id = str(writer.outbox_id)
    scene.release()
    return outbox_id


def in_topic(scene: Any) -> list[Checkpoint]:
    """All checkpoints of the queue."""
    queue = checkpoint_queue(scene.settings.queue, AuditSettings())
    consumer = open_consumer(queue, positions=lambda _: {})
    found: list[Checkpoint] = []
    deadline = time.monotonic() + DEADLINE_S
    try:
        while len(found) < 2 and time.monotonic() < deadline:
            records = consumer.poll(timeout_s=0.2, max_records=100)
            found += [Checkpoint.model_validate_json(record.value) for record in records]
    finally:
        consumer.close()
    return found


def test_signed_checkpoints_reach_folder_and_queue(any_scene: Any) -> None:
    """One at the end of each run; their chains are those of the stored rows."""
    scene = any_scene
    folder = scene.folder / "checkpoints"
    scene.more = {"MLPLATFORM_AUDIT__FOLDER": str(folder), "MLPLATFORM_AUDIT__KEY": PAIR.private}
    scene.start("consumer")
    for total in (3, 5):
        outbox_id = append(scene, total - len(scene.stored()))
        shipper = scene.start("shipper")
        scene.await_rows(total)
        shipper.terminate()
        assert 0 == shipper.wait(DEADLINE_S), scene.logs()

    witnesses = Witnesses(signatures.PublicKey(PAIR.public))
    for path in folder.rglob("*.ndjson"):
        witnesses.read(path.read_text().splitlines(), path.name)
    chains = dict(
        scene.rows(
            "SELECT sequence, encode(chain, 'hex') FROM raw.requests WHERE sequence IN (3, 5)"
        )
    )
    assert [] == witnesses.refused
    assert chains == {number: each.chain for number, each in witnesses.of(outbox_id).items()}
    assert chains == {each.number: each.chain for each in in_topic(scene)}
