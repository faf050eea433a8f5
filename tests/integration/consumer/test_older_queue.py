"""An older copy of the queue, and one that has grown again, over both queues.

Its id is the right one, and it may be as long as the stored offsets or longer.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from delivery import DeliveryScene, record
from queue_steps import consume, reset, send

from mlplatform.errors import RecordsGone


class Copies:
    """Copies of the queue's files, made and put back while nothing has them open."""

    def __init__(self, scene: DeliveryScene, broker: Any) -> None:
        self._scene, self._broker = scene, broker
        self._aside = scene.folder / "aside"

    def keep(self) -> None:
        """Copy the queue as it is now."""
        self._stopped(lambda: [self._copy(path, self._aside) for path in self._files()])

    def put_back(self) -> None:
        """Let the queue be what the copy is."""
        self._stopped(self._put_back)

    def _put_back(self) -> None:
        place = self._files()[0].parent
        for path in self._files():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self._aside.iterdir():
            self._copy(path, place)

    def _stopped(self, work: Any) -> None:
        self._scene.release()
        if self._broker:
            self._broker.stop()
        work()
        if self._broker:
            self._broker.start()

    def _files(self) -> list[Path]:
        if self._broker is None:
            return list(self._scene.folder.glob("queue.sqlite*"))
        return list((self._broker.folder / "data").glob(f"{self._scene.settings.queue.topic}-*"))

    @staticmethod
    def _copy(path: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copy2(path, folder)


@pytest.fixture
def copies(any_scene: DeliveryScene, request: pytest.FixtureRequest) -> Copies:
    """Of the scene's queue."""
    kafka = any_scene.settings.queue.url.startswith("kafka")
    return Copies(any_scene, request.getfixturevalue("kafka_broker") if kafka else None)


def test_an_older_copy_that_has_grown_again_is_refused(
    any_scene: Any, databases: Any, copies: Copies
) -> None:
    """Nothing of it is stored, until a reset; then each of its requests is, and once."""
    first = [record(n) for n in range(1, 61)]
    lost = [record(n) for n in range(61, 91)]
    after = [record(n) for n in range(91, 331)]
    send(any_scene, first)
    consume(any_scene, any_scene.store(), until=60)
    copies.keep()
    send(any_scene, lost)
    consume(any_scene, any_scene.store(), until=90)
    before = any_scene.rows("SELECT * FROM raw.requests ORDER BY request_id")
    copies.put_back()
    with pytest.raises(RecordsGone, match=r"ends at offset.*queue reset"):
        consume(any_scene, any_scene.store(), until=91)
    send(any_scene, after)
    with pytest.raises(RecordsGone, match=r"holds another record at offset.*queue reset"):
        consume(any_scene, any_scene.store(), until=91)
    refused = any_scene.rows("SELECT * FROM raw.requests ORDER BY request_id")
    reset(any_scene, databases, {})
    consume(any_scene, any_scene.store(), until=330)

    assert before == refused
    found = any_scene.rows(
        "SELECT request_id::text, sequence, inputs, outputs FROM raw.requests ORDER BY sequence"
    )
    assert [(o.request_id, o.sequence, o.inputs, o.outputs) for o in [*first, *lost, *after]] == (
        found
    )


def test_the_same_queue_goes_on(any_scene: Any, copies: Copies) -> None:
    """A copy that holds all that was stored is read on, and so is the queue after every start."""
    send(any_scene, [record(n) for n in range(1, 31)])
    consume(any_scene, any_scene.store(), until=30)
    send(any_scene, [record(n) for n in range(31, 61)])
    copies.keep()
    consume(any_scene, any_scene.store(), until=60)
    consume(any_scene, any_scene.store(), until=60, steps=5)
    copies.put_back()
    send(any_scene, [record(n) for n in range(61, 91)])
    consume(any_scene, any_scene.store(), until=90)

    assert list(range(1, 91)) == any_scene.stored()


def test_dead_letters_and_twice_sent_records_are_known_again(any_scene: Any) -> None:
    """The last record of a partition may be one that has no row at its offset."""
    once = record(1)
    send(any_scene, [once, *(record(n) for n in range(2, 31))])
    send(any_scene, [once])
    producer = any_scene.producer()
    producer.send([(f"{n}".encode(), b"garbage") for n in range(30)])
    consume(any_scene, any_scene.store(), until=30, steps=20)
    for _ in range(2):
        consume(any_scene, any_scene.store(), until=30, steps=5)
    send(any_scene, [record(31)])
    consume(any_scene, any_scene.store(), until=31)

    assert list(range(1, 32)) == any_scene.stored()
    assert [(30,)] == any_scene.rows("SELECT count(*) FROM raw.dead_letters")


def test_offsets_that_an_earlier_version_moved_are_not_compared(scene: Any) -> None:
    """It moves the offset alone: what is known of the record in front of it is out of date."""
    send(scene, [record(n) for n in range(1, 31)])
    consume(scene, scene.store(), until=30)
    send(scene, [record(n) for n in range(31, 61)])
    with scene.inspect() as connection:
        connection.execute("UPDATE raw.offsets SET next_offset = next_offset + 1")
    scene.release()
    consume(scene, scene.store(), until=57)

    assert 57 == len(scene.stored())
