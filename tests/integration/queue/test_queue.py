"""What shipper and consumer rely on, tried on both queues: the embedded one and Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlplatform.errors import RecordsGone, TooLarge, Unavailable
from mlplatform.queue import Consumer, QueueRecord, ensure_topic

DEADLINE_S = 30.0


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def scene(request: pytest.FixtureRequest) -> Iterator[Any]:
    return request.getfixturevalue(request.param)


def messages(count: int, start: int = 0) -> list[tuple[bytes, bytes]]:
    return [
        (f"key {number}".encode(), f"value {number}".encode())
        for number in range(start, start + count)
    ]


def poll_until(
    consumers: Sequence[Consumer], enough: Callable[[list[QueueRecord]], bool]
) -> list[QueueRecord]:
    """Poll all at once, as separate processes would, until the records are enough."""
    found: list[QueueRecord] = []
    deadline = time.monotonic() + DEADLINE_S
    with ThreadPoolExecutor(len(consumers)) as threads:
        while not enough(found):
            assert time.monotonic() < deadline, (
                f"only {len(found)} records, assigned: {[sorted(c.assigned) for c in consumers]}"
            )
            for records in threads.map(
                lambda consumer: consumer.poll(timeout_s=0.25, max_records=100), consumers
            ):
                found += records
    return found


def values(records: Sequence[QueueRecord]) -> list[int]:
    return sorted(int(record.value.split()[1]) for record in records)


def test_all_that_was_sent_arrives_once(scene: Any) -> None:
    """A new consumer reads every record of every partition from offset 0, in offset order."""
    scene.producer().send(messages(200))
    found = poll_until([scene.consumer()], lambda records: len(records) >= 200)
    offsets = {
        partition: [r.offset for r in found if r.partition == partition] for partition in range(3)
    }

    assert sorted((record.key, record.value) for record in found) == sorted(messages(200))
    assert offsets == {partition: list(range(len(seen))) for partition, seen in offsets.items()}
    assert all(offsets.values()), "keys are spread over all partitions"


def test_equal_keys_stay_in_order(scene: Any) -> None:
    """Records of one key share a partition and keep their order over sends."""
    producer = scene.producer()
    for number in range(10):
        producer.send([(b"one", f"value {number}".encode())])
    found = poll_until([scene.consumer()], lambda records: len(records) >= 10)

    assert [int(record.value.split()[1]) for record in found] == list(range(10))
    assert 1 == len({record.partition for record in found})


def test_an_empty_topic_gives_nothing(scene: Any) -> None:
    """A poll of an empty topic ends in time with no record."""
    consumer = scene.consumer()
    poll_until([consumer], lambda _: len(consumer.assigned) == 3)
    started = time.monotonic()
    found = consumer.poll(timeout_s=0.2, max_records=10)

    assert [] == list(found)
    assert time.monotonic() - started < 5.0


def test_a_poll_keeps_to_its_limit(scene: Any) -> None:
    """No poll returns more records than asked for, and none is left out for it."""
    scene.producer().send(messages(50))
    consumer = scene.consumer()
    sizes: list[int] = []
    deadline = time.monotonic() + DEADLINE_S
    while sum(sizes) < 50 and time.monotonic() < deadline:
        sizes.append(len(consumer.poll(timeout_s=0.1, max_records=7)))

    assert 50 == sum(sizes)
    assert max(sizes) <= 7


def test_reading_begins_where_the_database_says(scene: Any) -> None:
    """On assignment the positions are asked for and used, whatever was committed to the queue."""
    scene.producer().send(messages(100))
    first = scene.consumer()
    found = poll_until([first], lambda records: len(records) >= 100)
    first.commit(dict.fromkeys(range(3), 1))  # a lie that nobody may believe
    first.close()
    scene.stored.update(dict.fromkeys(range(3), 5))
    again = poll_until([scene.consumer()], lambda records: len(records) >= 85)

    assert {(r.partition, r.offset) for r in again} == {
        (r.partition, r.offset) for r in found if r.offset >= 5
    }
    assert 85 == len(again)


def test_seek_reads_again(scene: Any) -> None:
    """After a seek records come again from there, and nothing fetched before it is delivered."""
    scene.producer().send(messages(60))
    consumer = scene.consumer()
    found = poll_until([consumer], lambda records: len(records) >= 60)
    consumer.seek({0: 2})
    again = poll_until(
        [consumer], lambda records: len(records) >= len([r for r in found if r.partition == 0]) - 2
    )

    assert [(r.partition, r.offset) for r in again] == [
        (0, r.offset) for r in found if r.partition == 0 and r.offset >= 2
    ]


def test_end_offsets_are_the_next_ones(scene: Any) -> None:
    """End offsets count the records of each assigned partition."""
    scene.producer().send(messages(40))
    consumer = scene.consumer()
    found = poll_until([consumer], lambda records: len(records) >= 40)

    assert consumer.end_offsets() == {
        partition: len([r for r in found if r.partition == partition]) for partition in range(3)
    }


def test_two_members_share(scene: Any) -> None:
    """A second member takes partitions over; each new record is read by one of them."""
    producer, first = scene.producer(), scene.consumer()
    producer.send(messages(30))
    before = poll_until([first], lambda records: len(records) >= 30)
    for record in before:
        scene.stored[record.partition] = max(
            scene.stored.get(record.partition, 0), record.offset + 1
        )
    second = scene.consumer()
    poll_until(
        [first, second],
        lambda _: (
            len(first.assigned | second.assigned) == 3
            and not first.assigned & second.assigned
            and bool(second.assigned)
        ),
    )
    producer.send(messages(60, start=30))
    after = poll_until([first, second], lambda records: len(records) >= 60)

    assert values(after) == list(range(30, 90))


def test_a_member_that_left_is_replaced(scene: Any) -> None:
    """When one of two members closes, the other takes its partitions at the stored positions."""
    producer, first, second = scene.producer(), scene.consumer(), scene.consumer()
    poll_until(
        [first, second],
        lambda _: (
            len(first.assigned | second.assigned) == 3
            and bool(first.assigned)
            and bool(second.assigned)
        ),
    )
    producer.send(messages(30))
    found = poll_until([first, second], lambda records: len(records) >= 30)
    for record in found:
        scene.stored[record.partition] = max(
            scene.stored.get(record.partition, 0), record.offset + 1
        )
    second.close()
    producer.send(messages(30, start=30))
    after = poll_until([first], lambda records: len(records) >= 30)

    assert values(after) == list(range(30, 60))
    assert first.assigned == frozenset(range(3))


def test_a_database_that_is_away_is_asked_again(scene: Any) -> None:
    """While positions can't be read nothing is delivered; then the right records are."""
    scene.producer().send(messages(30))
    tries = 0

    def positions(partitions: Sequence[int]) -> dict[int, int]:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise Unavailable("the database is away")
        return dict.fromkeys(partitions, 2)

    consumer = scene.consumer(positions)
    found: list[QueueRecord] = []
    failures = 0
    deadline = time.monotonic() + DEADLINE_S
    while len(found) < 24 and time.monotonic() < deadline:
        try:
            found += consumer.poll(timeout_s=0.1, max_records=100)
        except Unavailable:
            failures += 1
            assert [] == found
            consumer.keep_alive(0.02)

    assert 3 == failures
    assert 2 == min(r.offset for r in found)
    assert 24 == len(found)


def test_keep_alive_reads_nothing(scene: Any) -> None:
    """Keeping the membership alive delivers no record and loses none."""
    producer, consumer = scene.producer(), scene.consumer()
    poll_until([consumer], lambda _: len(consumer.assigned) == 3)
    producer.send(messages(20))
    for _ in range(5):
        consumer.keep_alive(0.02)
    found = poll_until([consumer], lambda records: len(records) >= 20)

    assert values(found) == list(range(20))


def test_a_position_behind_the_end_is_loud(scene: Any) -> None:
    """A position above the queue's end (a topic made anew) is an error, and nothing is skipped."""
    scene.producer().send(messages(30))
    scene.stored.update(dict.fromkeys(range(3), 1000))
    consumer = scene.consumer()

    with pytest.raises(RecordsGone, match=r"ends at offset .* but records up to 1000 were stored"):
        poll_until([consumer], lambda _: False)


def test_a_record_above_the_limit_is_refused(scene: Any) -> None:
    """A record above max_record_bytes is refused by name; the largest one allowed passes."""
    producer = scene.producer()
    with pytest.raises(TooLarge, match="above"):
        producer.send([(b"key", b"x" * (scene.settings.max_record_bytes + 1))])
    producer.send([(b"key", b"x" * scene.settings.max_record_bytes)])
    found = poll_until([scene.consumer()], lambda records: len(records) >= 1)

    assert [len(record.value) for record in found] == [scene.settings.max_record_bytes]


def test_making_the_topic_again_changes_nothing(scene: Any) -> None:
    """A topic keeps its partitions and records when it is asked for again with other settings."""
    scene.producer().send(messages(10))
    ensure_topic(scene.settings.model_copy(update={"partitions": 9}))
    consumer = scene.consumer()
    found = poll_until([consumer], lambda records: len(records) >= 10)

    assert values(found) == list(range(10))
    assert consumer.assigned == frozenset(range(3))


def test_sending_nothing_is_nothing(scene: Any) -> None:
    """An empty batch is acknowledged at once."""
    scene.producer().send([])
    consumer = scene.consumer()
    poll_until([consumer], lambda _: len(consumer.assigned) == 3)

    assert {0} == set(consumer.end_offsets().values())


def test_what_is_stored_elsewhere_is_not_read(scene: Any) -> None:
    """A partition without a position here is left out, asked for again, and read once it has one.

    One that is set aside gives nothing more; when it comes back it goes on where it should.
    """
    here: dict[int, int | None] = {0: 0, 1: None, 2: None}
    consumer = scene.consumer(lambda partitions: {each: here[each] for each in partitions})
    scene.producer().send(messages(60))
    first = poll_until([consumer], bool)
    first += [record for _ in range(8) for record in consumer.poll(timeout_s=0.2, max_records=100)]
    assert {0} == {record.partition for record in first}

    here[1] = 3  # it has come here, and three of its records are elsewhere
    consumer.set_aside([0])
    here[0] = None
    consumer.keep_alive(0.1)
    second = poll_until([consumer], bool)
    scene.producer().send(messages(60, start=60))
    second += [record for _ in range(8) for record in consumer.poll(timeout_s=0.2, max_records=100)]
    assert {1} == {record.partition for record in second}
    offsets = [record.offset for record in second]
    assert list(range(3, 3 + len(offsets))) == offsets

    here[0] = len(first)
    back = poll_until([consumer], lambda records: any(each.partition == 0 for each in records))
    assert len(first) == min(record.offset for record in back if record.partition == 0)
