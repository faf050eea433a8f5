"""`serving.durability: replicated`: an answer means that the queue has its record, whatever dies.

The recorder, the shipper and the consumer are processes; the queue is SQLite or a Kafka broker.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable

import answering_child
import pytest
from delivery import DEADLINE_S, DeliveryScene

WAIT_S = 1.0


class Replicated:
    """A scene whose answers wait for the queue."""

    def __init__(self, scene: DeliveryScene) -> None:
        self.scene = scene
        scene.more = {
            "MLPLATFORM_SERVING__DURABILITY": "replicated",
            "MLPLATFORM_SERVING__DURABILITY_WAIT_S": str(WAIT_S),
        }
        self.folder = scene.folder
        self.consumer, self.shipper = scene.start("consumer"), scene.start("shipper")
        self.serving = self.serve()

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the process that answers, in the outbox that is there."""
        with (
            (self.folder / "answers").open("ab") as out,
            (self.folder / "serving.log").open("ab") as log,
        ):
            self.serving = self.scene.run([answering_child.__file__], stdout=out, stderr=log)
        return self.serving

    def said(self, kind: str) -> list[str]:
        """The ids behind the lines of that kind, so far; a torn last line counts for nothing."""
        text = (self.folder / "answers").read_text()
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [line.partition(" ")[2] for line in lines if line.startswith(kind)]

    def more_answers(self, count: int = 50) -> None:
        """Wait for so many more of them."""
        before = len(self.said("answered"))
        self.until(lambda: len(self.said("answered")) >= before + count)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < deadline, self.scene.logs()
            time.sleep(0.02)

    def settled(self) -> Counter[str]:
        """Serving leaves, all is stored: how often each request is there."""
        self.serving.send_signal(signal.SIGTERM)
        assert 0 == self.serving.wait(DEADLINE_S)
        writer = self.scene.writer()
        self.until(lambda: writer.status().accepted == writer.status().acknowledged)
        accepted = writer.next_sequence - 1
        self.scene.release()
        self.scene.await_rows(accepted)
        numbers = self.scene.rows("SELECT count(DISTINCT (outbox_id, sequence)) FROM raw.requests")
        found = self.scene.rows("SELECT request_id::text FROM raw.requests")

        assert [(accepted,)] == numbers
        return Counter(request_id for (request_id,) in found)


@pytest.fixture
def replicated(any_scene: DeliveryScene) -> Replicated:
    """All processes run, and the first answers have left."""
    found = Replicated(any_scene)
    found.more_answers()
    return found


def all_once(stored: Counter[str], answered: list[str]) -> None:
    """Each answered request is in the database, and nothing is there twice."""
    assert {1} == set(stored.values())
    assert set() == set(answered) - stored.keys()


def test_while_the_queue_is_away_nobody_gets_an_answer(
    replicated: Replicated, request: pytest.FixtureRequest
) -> None:
    """Requests are refused until it is back; all that were answered are in the database once."""
    scene = replicated.scene
    kafka = "kafka" in scene.settings.queue.url
    broker = request.getfixturevalue("kafka_broker") if kafka else None
    if broker:
        broker.stop()
    else:
        replicated.shipper.send_signal(signal.SIGSTOP)
    replicated.until(lambda: len(replicated.said("refused")) >= answering_child.CALLERS)
    before = len(replicated.said("answered"))
    time.sleep(2 * WAIT_S)
    meanwhile = len(replicated.said("answered")) - before
    if broker:
        broker.start()
    else:
        replicated.shipper.send_signal(signal.SIGCONT)
    replicated.more_answers()
    stored = replicated.settled()

    assert 0 == meanwhile
    assert len(replicated.said("stored")) <= 2 * answering_child.CALLERS
    assert set() == set(replicated.said("stored")) - stored.keys()
    all_once(stored, replicated.said("answered"))


def test_a_shipper_killed_while_answers_wait_costs_none(replicated: Replicated) -> None:
    """Those that wait are answered when the next one has sent their records."""
    for _ in range(3):
        replicated.shipper.kill()
        replicated.shipper.wait()
        time.sleep(0.1)  # all callers wait by now
        before = len(replicated.said("answered"))
        replicated.shipper = replicated.scene.start("shipper")
        replicated.more_answers()
        assert before
    stored = replicated.settled()

    all_once(stored, replicated.said("answered"))


def test_serving_killed_while_answers_wait_loses_none_that_left(replicated: Replicated) -> None:
    """Each start takes an outbox up again: what was stored is recorded, answered or not."""
    for _ in range(3):
        replicated.serving.kill()
        replicated.serving.wait()
        replicated.serve()
        replicated.more_answers()
    stored = replicated.settled()

    assert [] == replicated.said("refused")
    all_once(stored, replicated.said("answered"))
