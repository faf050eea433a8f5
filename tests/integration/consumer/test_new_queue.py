"""A queue that was deleted and made anew is never taken for the old one, over both queues."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from delivery import record
from queue_steps import consume, make_anew, reset, send

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.errors import RecordsGone, Refused
from mlplatform.queue import ensure_topic, open_consumer


def test_a_new_queue_is_refused_however_long_it_is(any_scene: Any, databases: Any) -> None:
    """A new queue that is longer than the stored offsets is refused, and nothing of it stored.

    After a reset every row of it is stored, above all others, and none of the old ones changes.
    """
    old, new = [record(n) for n in range(1, 31)], [record(n) for n in range(31, 151)]
    store = any_scene.store()
    send(any_scene, old)
    consume(any_scene, store, until=30)
    before = any_scene.rows("SELECT * FROM raw.requests ORDER BY request_id")
    make_anew(any_scene)
    send(any_scene, new)
    with pytest.raises(RecordsGone, match=r"made anew.*queue reset"):
        consume(any_scene, any_scene.store(), until=150)
    refused = any_scene.rows("SELECT * FROM raw.requests ORDER BY request_id")
    reset(any_scene, databases, {"0": 500})
    consume(any_scene, any_scene.store(), until=150)

    assert before == refused
    query = "SELECT request_id::text, sequence, inputs, outputs FROM raw.requests ORDER BY sequence"
    found = any_scene.rows(query)
    mixed = any_scene.rows(
        "SELECT count(*) FROM raw.requests AS low JOIN raw.requests AS high USING (partition)"
        " WHERE low.sequence <= 30 AND high.sequence > 30 AND low.log_offset >= high.log_offset"
    )
    begins = any_scene.rows(
        "SELECT min(log_offset) FROM raw.requests WHERE partition = 0 AND sequence > 30"
    )
    expected = [(one.request_id, one.sequence, one.inputs, one.outputs) for one in [*old, *new]]
    assert expected == found
    assert [(0,)] == mixed
    assert [(500,)] == begins
    assert [(0,)] == any_scene.rows("SELECT count(*) FROM raw.setbacks")


def test_offsets_without_an_id_take_the_first(any_scene: Any) -> None:
    """Offsets of an earlier version go on where they were, and belong to that topic from then."""
    store = any_scene.store()
    send(any_scene, [record(n) for n in range(1, 31)])
    consume(any_scene, store, until=30)
    with any_scene.inspect() as connection:
        connection.execute("UPDATE raw.offsets SET topic_id = NULL")
    send(any_scene, [record(n) for n in range(31, 61)])
    consume(any_scene, any_scene.store(), until=60)
    make_anew(any_scene)
    send(any_scene, [record(n) for n in range(61, 181)])
    with pytest.raises(RecordsGone, match="made anew"):
        consume(any_scene, any_scene.store(), until=180)

    assert list(range(1, 61)) == any_scene.stored()


def test_dead_letters_of_a_new_queue_lie_beside_the_old(scene: Any, databases: Any) -> None:
    """A dead letter of the new queue is kept, though the old one had one at the same offset."""
    for payload in (b"old", b"new"):
        scene.producer().send([(b"key", payload)])
        consumer_store = scene.store()
        consumer = open_consumer(
            scene.settings.queue, positions=consumer_store.positions, bind=consumer_store.bind
        )
        loop = ConsumerLoop(
            consumer, consumer_store, scene.settings.consumer, stop=threading.Event()
        )
        loop.step()
        consumer.close()
        make_anew(scene)
        reset(scene, databases, {})

    assert [(b"old",), (b"new",)] == scene.rows(
        "SELECT payload FROM raw.dead_letters ORDER BY log_offset"
    )


def test_a_consumer_that_runs_during_a_reset_is_told(scene: Any, databases: Any) -> None:
    """What was read before a reset is not stored under the offsets after it."""
    store = scene.store()
    send(scene, [record(1)])
    consume(scene, store, until=1)
    reset(scene, databases, {})
    consumer = open_consumer(scene.settings.queue, positions=store.positions)
    loop = ConsumerLoop(consumer, store, scene.settings.consumer, stop=threading.Event())
    send(scene, [record(2) for _ in range(6)])
    with pytest.raises(Refused, match="were reset"):
        loop.run()
    consumer.close()

    assert [1] == scene.stored()


def test_a_file_of_an_earlier_version_gets_an_id(scene: Any, tmp_path: Path) -> None:
    """The embedded queue's file of an earlier version is read on, and can be told from another."""
    assert (tmp_path / "queue.sqlite").is_file()
    producer = scene.producer()
    producer._file.connection.execute("DROP TABLE identities")
    ensure_topic(scene.settings.queue)
    store = scene.store()
    send(scene, [record(1)])
    consume(scene, store, until=1)

    assert [(True,)] == scene.rows(
        "SELECT topic_id IS NOT NULL FROM raw.offsets WHERE next_offset > 0"
    )
