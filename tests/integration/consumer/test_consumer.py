"""What the consumer makes of the records of a topic, on a real database."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from chained import entries, payloads
from delivery import record

from mlplatform.consumer.loop import ConsumerLoop
from mlplatform.contracts.request import encode, new_request_id
from mlplatform.database.request_row import RequestRow
from mlplatform.errors import PlatformError, Unavailable
from mlplatform.queue import open_consumer

SOME_KEY = b"one partition for all"


class Consuming:
    """A consumer in this process, driven step by step."""

    def __init__(self, scene: Any, **changes: Any) -> None:
        self._store = scene.store()
        self.consumer = open_consumer(scene.settings.queue, positions=self._store.positions)
        settings = scene.settings.consumer.model_copy(update=changes)
        self.loop = ConsumerLoop(self.consumer, self._store, settings, stop=threading.Event())

    def drain(self) -> None:
        """Until a poll finds nothing."""
        while self.loop.step():
            pass


@pytest.fixture
def consuming(scene: Any) -> Iterator[Consuming]:
    made = Consuming(scene)
    yield made
    made.consumer.close()


def send(scene: Any, *values: bytes) -> None:
    scene.producer().send([(SOME_KEY, value) for value in values])


def test_a_record_becomes_a_row(scene: Any, consuming: Consuming) -> None:
    """Every field of a record is found in its row, under its place in the queue."""
    sent = record(7, client_id="their own", inputs={"a": [1.5, None], "b": ["x", "ü"]}, rows=2)
    send(scene, encode(sent))
    consuming.drain()
    query = """SELECT request_id::text, pipeline, source, topic, log_offset, outbox_id::text,
               sequence, version, caller, client_id, extract(epoch FROM received_at) * 1000000,
               rows, inputs, outputs FROM raw.requests"""

    assert scene.rows(query) == [
        (
            sent.request_id, "demo", "serving", scene.settings.queue.topic, 0, sent.outbox_id, 7,
            "3", "tester", "their own", sent.received_us, 2, sent.inputs, sent.outputs,
        )
    ]  # fmt: skip


def test_a_proven_record_becomes_a_row(scene: Any, consuming: Consuming) -> None:
    """With its proof, and with what rebuilds the bytes that it is of; also when it comes again."""
    sent = payloads(3, rows=1, client_id="their\tö\\own")
    send(scene, *sent)
    consuming.drain()
    send(scene, sent[1], *payloads(1, first=4, begins="lost"))
    consuming.drain()
    query = """SELECT sequence, outbox_id::text, received_at, inputs::text, outputs::text, form,
               salt, digest, chain, begins, client_id FROM raw.requests ORDER BY sequence"""
    found = scene.rows(query)
    rows = [row for row in entries(sent) if isinstance(row, RequestRow)]

    assert [1, 2, 3, 4] == [row[0] for row in found]
    assert ([None, None, None, "lost"], "rows spaced") == ([row[9] for row in found], found[0][5])
    assert [
        (
            row.sequence, str(row.outbox_id), row.received_at, row.inputs, row.outputs, row.form,
            row.salt, row.digest, row.chain, row.begins, row.client_id,
        )
        for row in rows
    ] == found[:3]  # fmt: skip


def test_a_request_that_came_twice_is_stored_once(scene: Any, consuming: Consuming) -> None:
    """A record that the shipper sent twice is one row, within a batch and over batches."""
    first = encode(record(1))
    send(scene, first, first, encode(record(2)))
    consuming.drain()
    send(scene, first)
    consuming.drain()

    assert [1, 2] == scene.stored()
    assert [(4,)] == scene.rows("SELECT next_offset FROM raw.offsets WHERE next_offset > 0")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"no json", "not a request record"),
        (b"", "not a request record"),
        (b"\xff\xfe", "not a request record"),
        (b"[" * 100_000, "not a request record|nested too deep"),
        (b'{"sequence": 2}', "not a request record"),
    ],
)
def test_bytes_that_are_no_record(
    value: bytes, reason: str, scene: Any, consuming: Consuming
) -> None:
    """Unreadable bytes are kept with a reason, and the records around them are stored."""
    send(scene, encode(record(1)), value, encode(record(3)))
    consuming.drain()
    letters = scene.rows("SELECT log_offset, payload, reason ~ %s FROM raw.dead_letters", reason)

    assert letters == [(1, value, True)]
    assert [1, 3] == scene.stored()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": "17"}, "request_id: '17' is not a UUID"),
        ({"outbox_id": "x"}, "outbox_id: 'x' is not a UUID"),
        ({"rows": 0}, "rows: 0 rows"),
        ({"rows": 2**40}, f"rows: {2**40} rows"),
        ({"pipeline": "de\0mo"}, "pipeline: has a NUL character"),
        ({"pipeline": "p" * 4000}, "pipeline: has 4000 characters"),
        ({"received_us": 10**30}, "received_us: 1000000000000000000000000000000 is not a time"),
        ({"received_us": 10**18}, "received_us: 1000000000000000000 is not a time"),
        ({"format": 3}, "format: record format 3 is neither 1 nor 2"),
        ({"kind": "oversize", "reason": "it is huge", "size": 9}, "it is huge"),
    ],
)
def test_a_record_that_can_be_no_row(
    changes: dict[str, Any], reason: str, scene: Any, consuming: Consuming
) -> None:
    """A record that breaks its contract is a dead letter with the field and its number."""
    send(scene, encode(record(5, **changes)), encode(record(6)))
    consuming.drain()
    letters = scene.rows("SELECT sequence, reason FROM raw.dead_letters")

    assert [(sequence, text[: len(reason)]) for sequence, text in letters] == [(5, reason)]
    assert [6] == scene.stored()


def test_nul_characters_of_clients(scene: Any, consuming: Consuming) -> None:
    """A NUL in a client's value or id does not stop the consumer, and costs no request."""
    send(scene, encode(record(1, client_id="a\0b", inputs={"text": ["x\0y"]})))
    consuming.drain()

    assert [("a\N{SYMBOL FOR NULL}b", {"text": ["x\0y"]})] == scene.rows(
        "SELECT client_id, inputs FROM raw.requests"
    )


def test_what_only_the_database_refuses(scene: Any, consuming: Consuming, databases: Any) -> None:
    """A record that the database refuses is set aside; the rest of its batch is stored."""
    with databases.connect("postgres", "raw") as connection:
        connection.execute(
            "ALTER TABLE raw.requests ADD CONSTRAINT narrow CHECK (version <> 'bad')"
        )
    send(
        scene,
        *[
            encode(record(number, version="bad" if number in {3, 8} else "3"))
            for number in range(1, 11)
        ],
    )
    consuming.drain()

    assert [1, 2, 4, 5, 6, 7, 9, 10] == scene.stored()
    assert [(3, True), (8, True)] == scene.rows(
        "SELECT sequence, reason ~ 'narrow' FROM raw.dead_letters ORDER BY sequence"
    )
    assert [(10,)] == scene.rows("SELECT next_offset FROM raw.offsets WHERE next_offset > 0")


def test_a_database_that_lost_commits(scene: Any, consuming: Consuming) -> None:
    """After a failover that lost rows the consumer reads again and stores every row once."""
    send(scene, *[encode(record(number)) for number in range(1, 11)])
    consuming.drain()
    with scene.inspect() as connection:
        connection.execute("DELETE FROM raw.requests WHERE sequence > 4")
        connection.execute("UPDATE raw.offsets SET next_offset = 4 WHERE next_offset > 0")
    send(scene, *[encode(record(number)) for number in range(11, 14)])
    consuming.drain()

    assert scene.stored() == list(range(1, 14))
    assert [(13,)] == scene.rows("SELECT next_offset FROM raw.offsets WHERE next_offset > 0")


def test_a_hole_in_the_log(scene: Any, consuming: Consuming) -> None:
    """Offsets without a record are skipped after a second look at the queue."""
    send(scene, *[encode(record(number)) for number in range(1, 7)])
    with sqlite3.connect(scene.settings.queue.url.removeprefix("sqlite:///")) as file:
        file.execute("DELETE FROM messages WHERE offset IN (2, 3)")
    consuming.drain()
    send(scene, encode(record(7)))
    consuming.drain()

    assert [1, 2, 5, 6, 7] == scene.stored()


def test_a_member_that_is_late(scene: Any) -> None:
    """Two members that both believe to own a partition store every record once."""
    send(scene, *[encode(record(number)) for number in range(1, 6)])
    store = scene.store()
    members = [
        open_consumer(
            scene.settings.queue.model_copy(update={"group": group}), positions=store.positions
        )
        for group in ("a", "b")
    ]
    loops = [
        ConsumerLoop(member, store, scene.settings.consumer, stop=threading.Event())
        for member in members
    ]
    polled = [members[1].poll(timeout_s=1.0, max_records=3)]
    while loops[0].step():
        pass
    loops[1]._store_all(polled[0])
    while loops[1].step():
        pass
    for member in members:
        member.close()

    assert [1, 2, 3, 4, 5] == scene.stored()


def test_too_many_dead_letters_stop_the_consumer(scene: Any) -> None:
    """At the limit the consumer stops and keeps what was good; a restart starts no new count."""
    send(scene, encode(record(1)), *[b"bad"] * 8, encode(record(10)))
    for _ in range(2):
        consuming = Consuming(scene, dead_letter_limit=5)
        with pytest.raises(
            PlatformError,
            match=r"5 records in a row of partition . can't be read or stored; "
            r"the next one, at offset 6",
        ):
            consuming.drain()
        consuming.consumer.close()
    counted = scene.rows("SELECT count(*) FROM raw.dead_letters")
    consuming = Consuming(scene, dead_letter_limit=9)
    consuming.drain()
    consuming.consumer.close()

    assert [(5,)] == counted
    assert [1, 10] == scene.stored()
    assert [(8,)] == scene.rows("SELECT count(*) FROM raw.dead_letters")


def test_records_that_the_database_refuses_stop_the_consumer_too(
    scene: Any, databases: Any
) -> None:
    """A topic doesn't end in dead letters because a new serving's rows are all refused."""
    with databases.connect("postgres", "raw") as connection:
        connection.execute(
            "ALTER TABLE raw.requests ADD CONSTRAINT narrow CHECK (version <> 'bad')"
        )
    send(
        scene,
        encode(record(1)),
        *[encode(record(number, version="bad")) for number in range(2, 12)],
    )
    for _ in range(2):
        consuming = Consuming(scene, dead_letter_limit=5)
        with pytest.raises(PlatformError, match=r"5 records in a row .* at offset 6: .*narrow"):
            consuming.drain()
        consuming.consumer.close()

    assert [(5,)] == scene.rows("SELECT count(*) FROM raw.dead_letters")
    assert [1] == scene.stored()


def test_a_database_that_is_away_does_not_count_letters_twice(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is tried again counts once, whatever was stored the first time."""
    send(scene, *[b"bad"] * 4)
    consuming = Consuming(scene, dead_letter_limit=4)
    tries = iter(["before", "after", "again"])
    keep = consuming._store.store

    def store(entries: Any, *, holes: Any) -> Any:
        when = next(tries)
        if when == "before":
            raise Unavailable("away")
        found = keep(entries, holes=holes)
        if when == "after":
            raise Unavailable("broke during the commit")
        return found

    monkeypatch.setattr(consuming._store, "store", store)
    consuming.loop.step()
    consuming.consumer.close()

    assert [(4,)] == scene.rows("SELECT count(*) FROM raw.dead_letters")


def test_oversize_notices_do_not_stop_the_consumer(scene: Any) -> None:
    """Readable notices of too large requests are dead letters, but no sign of a bad deploy."""
    send(scene, *[encode(record(number, kind="oversize", reason="huge")) for number in range(1, 9)])
    consuming = Consuming(scene, dead_letter_limit=2)
    consuming.drain()
    consuming.consumer.close()

    assert [(8,)] == scene.rows("SELECT count(*) FROM raw.dead_letters")


def test_numbers_of_the_positions(scene: Any) -> None:
    """A partition without rows has no position, others the one behind their last record."""
    store = scene.store()
    before: Mapping[int, int] = store.positions([0, 1, 2])
    scene.producer().send(
        [
            (str(uuid.uuid4()).encode(), encode(record(number, request_id=new_request_id())))
            for number in range(1, 31)
        ]
    )
    consuming = Consuming(scene)
    consuming.drain()
    ends = consuming.consumer.end_offsets()
    consuming.consumer.close()
    after: Sequence[Any] = sorted(store.positions([0, 1, 2]).items())

    assert {} == before
    assert after == sorted(ends.items())
