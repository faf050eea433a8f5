"""What only the embedded queue has: its file, leases and clean-up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlplatform.errors import IntegrityFailure, RecordsGone, Refused, Unavailable
from mlplatform.queue import (
    embedded,
    embedded_retention,
    ensure_topic,
    open_consumer,
    open_producer,
)
from mlplatform.queue.connect import embedded_path
from mlplatform.settings import QueueSettings


@pytest.fixture
def settings(tmp_path: Path) -> QueueSettings:
    return QueueSettings(url=f"sqlite:///{tmp_path / 'queue.sqlite'}", partitions=2, retention_h=1)


@pytest.fixture
def file(settings: QueueSettings) -> Iterator[sqlite3.Connection]:
    ensure_topic(settings)
    connection = sqlite3.connect(settings.url.removeprefix("sqlite:///"), isolation_level=None)
    yield connection
    connection.close()


def start(_: object) -> dict[int, int]:
    return {}


def send(settings: QueueSettings, count: int) -> None:
    producer = open_producer(settings)
    producer.send([(b"key", f"value {number}".encode()) for number in range(count)])
    producer.close()


def offsets(file: sqlite3.Connection) -> list[int]:
    return [row[0] for row in file.execute("SELECT offset FROM messages ORDER BY offset")]


def test_stored_and_old_records_are_removed(
    settings: QueueSettings, file: sqlite3.Connection
) -> None:
    """Clean-up removes what is both stored and older than the retention, nothing else."""
    send(settings, 10)
    file.execute("UPDATE messages SET at = at - 7200 WHERE offset < 6")
    consumer = open_consumer(settings, positions=start)
    found = consumer.poll(timeout_s=1.0, max_records=100)
    consumer.commit({found[0].partition: 4})
    consumer.close()

    assert offsets(file) == list(range(4, 10))


def test_a_group_that_is_no_more_holds_nothing_back(
    settings: QueueSettings, file: sqlite3.Connection
) -> None:
    """A renamed group leaves an offset that never moves again; clean-up ignores it."""
    send(settings, 10)
    file.execute("UPDATE messages SET at = 0")
    begin: dict[int, int] = {}
    for group, stored in (("old", 2), ("new", 8)):
        renamed = settings.model_copy(update={"group": group})
        consumer = open_consumer(renamed, positions=lambda _, begin=begin: begin)
        partition = consumer.poll(timeout_s=1.0, max_records=100)[0].partition
        consumer.commit({partition: stored})
        consumer.close()
        begin = {partition: stored}

    assert [8, 9] == offsets(file)


def test_cleaning_keeps_up_with_what_comes_in(
    settings: QueueSettings, file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit removes a bounded number of old records; the next ones go on, then it rests."""
    monkeypatch.setattr(embedded_retention, "AT_ONCE", 4)
    producer = open_producer(settings)
    producer.send([(f"key {number}".encode(), b"value") for number in range(20)])
    producer.close()
    file.execute("UPDATE messages SET at = 0")
    consumer = open_consumer(settings, positions=start)
    stored = {
        record.partition: record.offset + 1
        for record in consumer.poll(timeout_s=1.0, max_records=100)
    }
    left = []
    for _ in range(6):
        consumer.commit(stored)
        left.append(len(offsets(file)))
    send(settings, 1)
    file.execute("UPDATE messages SET at = 0")
    consumer.commit(consumer.end_offsets())
    consumer.close()

    assert ([16, 12, 8, 4, 0, 0], 1) == (left, len(offsets(file)))


def test_records_that_nobody_stored_are_kept(
    settings: QueueSettings, file: sqlite3.Connection
) -> None:
    """Age alone removes nothing: a record that is not stored is never lost."""
    send(settings, 5)
    file.execute("UPDATE messages SET at = 0")
    consumer = open_consumer(settings, positions=start)
    consumer.poll(timeout_s=1.0, max_records=100)
    consumer.commit({})
    consumer.close()

    assert [0, 1, 2, 3, 4] == offsets(file)


def test_a_position_below_what_is_kept(settings: QueueSettings, file: sqlite3.Connection) -> None:
    """A position behind the clean-up is an error with the number of lost records."""
    send(settings, 10)
    file.execute("UPDATE messages SET at = 0")
    consumer = open_consumer(settings, positions=start)
    partition = consumer.poll(timeout_s=1.0, max_records=100)[0].partition
    consumer.commit({partition: 8})
    consumer.close()
    again = open_consumer(settings, positions=lambda _: {partition: 3})
    with pytest.raises(
        RecordsGone, match=r"5 records of .* are gone: .* before offset 3, the queue begins at 8"
    ) as caught:
        again.poll(timeout_s=1.0, max_records=100)
    again.close()

    assert "mlplatform queue reset" in caught.value.fix


def test_a_dead_member_loses_its_lease(
    settings: QueueSettings, file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that was killed is replaced when its lease has run out."""
    monkeypatch.setattr(embedded, "_LEASE_S", 0.2)
    monkeypatch.setattr(embedded, "_RENEW_S", 0.05)
    dead: Any = open_consumer(settings, positions=start)
    dead.poll(timeout_s=0.0, max_records=1)
    alive = open_consumer(settings, positions=start)
    for _ in range(100):
        alive.poll(timeout_s=0.05, max_records=1)
        if alive.assigned == {0, 1}:
            break
    before, after = dead.assigned, alive.assigned
    alive.close()
    dead.close()

    assert ({0, 1}, {0, 1}) == (before, after)


def test_a_locked_file_is_unavailable(
    settings: QueueSettings, file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is locked for too long is a queue that is away; nothing was written."""
    monkeypatch.setattr("mlplatform.queue.sqlite._BUSY_S", 0.05)
    producer = open_producer(settings)
    file.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        producer.send([(b"key", b"value")])
    file.execute("ROLLBACK")
    producer.send([(b"key", b"value")])
    producer.close()

    assert [0] == offsets(file)


def test_a_file_that_is_no_queue(tmp_path: Path) -> None:
    """A damaged file is another error than a busy one: no retry heals it."""
    (tmp_path / "queue.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)

    with pytest.raises(IntegrityFailure, match="damaged"):
        open_producer(QueueSettings(url=f"sqlite:///{tmp_path / 'queue.sqlite'}"))


def test_a_poll_of_large_records_is_bounded(
    settings: QueueSettings, file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polls end early when their records are large, and the next ones bring the rest."""
    monkeypatch.setattr(embedded, "_POLL_BYTES", 10_000)
    producer = open_producer(settings)
    producer.send([(b"key", bytes(4000))] * 10)
    producer.close()
    consumer = open_consumer(settings, positions=start)
    sizes = [len(consumer.poll(timeout_s=0.5, max_records=100)) for _ in range(4)]
    consumer.close()

    assert [3, 3, 3, 1] == sizes


def test_a_file_that_was_replaced_takes_no_records(settings: QueueSettings) -> None:
    """Nothing is acknowledged into a file that is no longer there for others to read."""
    send(settings, 1)
    producer, consumer = open_producer(settings), open_consumer(settings, positions=start)
    path = embedded_path(settings)
    assert path is not None
    path.unlink()
    with pytest.raises(Refused, match="removed or replaced"):
        producer.send([(b"key", b"value")])
    send(settings, 1)
    with pytest.raises(Refused, match="removed or replaced"):
        consumer.poll(timeout_s=0.0, max_records=1)
    consumer._file.close()  # type: ignore[attr-defined]  # leaving the group is refused too
    producer.close()
    seen: list[int] = []
    fresh = open_consumer(settings, positions=start)
    seen.extend(record.offset for record in fresh.poll(timeout_s=1.0, max_records=10))
    fresh.close()

    assert [0] == seen
