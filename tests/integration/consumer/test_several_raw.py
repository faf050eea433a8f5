"""Several raw servers: each consumer stores the partitions of its own, and partitions change hands.

Real consumers as processes, on databases of one server: what matters here is that each has offsets
and rows of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from delivery import DEADLINE_S
from more_raw import raw_servers
from several_consumers import COUNT, Servers

from mlplatform.dataapi.moves import Moves
from mlplatform.database import shards
from mlplatform.settings import QueueSettings


@pytest.fixture
def servers(queue: QueueSettings, databases: Any, tmp_path: Path) -> Iterator[Servers]:
    """Two of them, over each of both queues."""
    with raw_servers(databases, 2) as raw:
        found = Servers(raw, queue, tmp_path)
        yield found
        found.close()


def test_a_new_server_gets_its_share_under_load(servers: Servers) -> None:
    """Partitions go on at another server while records come in: none is lost, none is there twice.

    The segments are recorded, and a second round finds nothing to do.
    """
    servers.start()
    servers.send(300)
    servers.await_rows(300)
    assert {0, 1, 2} == servers.of("raw")
    servers.send(300)
    moved = servers.spread()
    servers.send(300)
    servers.await_rows(900)

    assert (1, 0) == (moved, servers.spread())
    assert list(range(1, 901)) == servers.stored()
    assert 1 == len(servers.of("raw-2"))
    with servers.raw.of["raw-2"].connect("postgres", "raw") as connection:
        assert 0 < connection.execute(COUNT).fetchone()[0]
    with servers.raw.of["raw"].connect("postgres", "warehouse") as connection:
        (segment,) = shards.segments(connection)
        entries = connection.execute("SELECT action, detail FROM control.ledger").fetchall()
    assert "raw-2" == segment.shard
    moved_to = {"partition": segment.partition, "offset": segment.from_offset, "shard": "raw-2"}
    assert [("move", moved_to)] == entries


def test_what_comes_again_after_a_move_is_not_stored_twice(servers: Servers) -> None:
    """It is put aside at first, and gone once the other server was asked.

    A number that was used twice is no repetition: that request becomes a row, as on one server.
    """
    servers.start()
    servers.send(200)
    servers.await_rows(200)
    servers.spread()
    (part,) = servers.of("raw-2")
    servers.send(200, first=1)
    servers.send(100)
    servers.await_rows(300)
    again = servers.raw.rows("SELECT sequence FROM raw.repeated")
    query = "SELECT sequence FROM raw.requests WHERE partition = %s AND sequence <= 200"
    assert list(range(1, 301)) == servers.stored()
    assert sorted(servers.raw.rows(query, part)) == sorted(again)

    ((twice,), *_) = again
    with servers.raw.of["raw-2"].connect("postgres", "raw") as connection:
        update = "UPDATE raw.repeated SET request_id = gen_random_uuid() WHERE sequence = %s"
        connection.execute(update, (twice,))
    assert 0 == servers.spread()
    assert [] == servers.raw.rows("SELECT sequence FROM raw.repeated")
    assert sorted([*range(1, 301), twice]) == servers.stored()


def test_a_move_that_broke_off_is_finished(servers: Servers) -> None:
    """Killed between its two steps nobody stores the partition; the next round goes on there."""
    servers.start()
    servers.send(90)
    servers.await_rows(90)
    with servers.raw.pools() as pools, pools.raw.transaction() as raw:
        topic = servers.scenes["raw"].settings.queue.topic
        shards.hand_over(raw, topic, 1, target="raw-2")
    servers.send(90)
    time.sleep(1.0)
    before = servers.stored()
    moved = servers.spread()
    servers.await_rows(180)

    assert len(before) < 180
    assert 1 == moved
    assert {1} == servers.of("raw-2")
    assert list(range(1, 181)) == servers.stored()


def test_a_partition_that_comes_back_goes_on_above_its_rows(servers: Servers) -> None:
    """It moves away and back: all is stored once, and positions on the first server only grow."""
    topic = servers.scenes["raw"].settings.queue.topic
    servers.start()
    servers.send(60)
    servers.await_rows(60)
    with servers.raw.pools() as pools:
        moves = Moves(pools)
        moves._move((topic, 2), "raw", "raw-2")
        servers.send(60)
        servers.await_rows(120)
        moves._move((topic, 2), "raw-2", "raw")
        servers.send(60)
        servers.await_rows(180)

    assert list(range(1, 181)) == servers.stored()
    query = "SELECT log_offset FROM raw.requests WHERE partition = 2 ORDER BY sequence"
    with servers.raw.of["raw"].connect("postgres", "raw") as connection:
        places = [row[0] for row in connection.execute(query).fetchall()]
    assert sorted(set(places)) == places


def test_addresses_in_another_order_are_refused(servers: Servers) -> None:
    """A consumer at the address of another server stores nothing, and says why."""
    first, second = servers.scenes.values()
    own = second.settings.consumer
    swapped = second.settings.model_copy(update={"postgres": first.settings.postgres})
    second.settings = swapped.model_copy(update={"consumer": own})
    process = second.start("consumer")
    process.wait(DEADLINE_S)

    assert 0 != process.returncode
    assert "is the raw server 'raw', and 'raw-2' was expected" in second.logs()
