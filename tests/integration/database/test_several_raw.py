"""Datasets of raw requests over several raw servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from delivery import record
from more_raw import RawServers, raw_servers
from pydantic import SecretStr

from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.contracts.request import encode
from mlplatform.contracts.shards import current, names
from mlplatform.dataapi.moves import Moves
from mlplatform.dataapi.pools import Pools
from mlplatform.database import queue_entries, shards
from mlplatform.database.datasets import DatasetStore
from mlplatform.database.pools import ReplicaPool
from mlplatform.database.requests import RequestStore
from mlplatform.errors import Unavailable

ALL = DatasetQuery()
TOPIC = "mlplatform.requests"
SOLO = "raw-4"
"""A server that stores everything by itself: what the others must be like together."""


class Spread:
    """Records in six partitions, stored by three servers together and by one alone."""

    def __init__(self, raw: RawServers, pools: Pools, replicas: Any) -> None:
        self.raw, self.pools = raw, pools
        self._replicas = replicas
        self._solo = RequestStore(pools.raws[SOLO], topic=TOPIC)
        self._next = dict.fromkeys(range(6), 0)
        self._number = 0

    def store(self, count: int) -> None:
        """Put records where their partitions are, and into the one server."""
        found = []
        for _ in range(count):
            self._number += 1
            part = self._number % 6
            sent = encode(record(self._number, pipeline="churn"))
            found.append(queue_entries.entry(sent, partition=part, offset=self._next[part]))
            self._next[part] += 1
        self._solo.store(found, holes={})
        for each in found:
            RequestStore(self.pools.raws[self.holder(each.partition)], topic=TOPIC).store(
                [each], holes={}
            )
        self.raw.of["raw"].catch_up()

    def holder(self, partition: int) -> str:
        """The server that has a partition now."""
        held = []
        for shard in names(3):
            with self.pools.raws[shard].transaction() as connection:
                known = shards.held(connection, shard).get((TOPIC, partition))
                held += [known] if known else []
        found = current(held)
        return found.shard if found else "raw"

    def spread(self, count: int) -> int:
        """One round over so many of the servers."""
        further = {shard: self.pools.raws[shard] for shard in names(count)[1:]}
        return Moves(replace(self.pools, more_raw=further)).once()

    def read(self, count: int, query: DatasetQuery = ALL) -> Receipt:
        """The receipt of a read over so many of the servers; 0: of the one that has all."""
        own = names(count) or (SOLO,)
        first, *more = (self._replicas[shard] for shard in own)
        store = DatasetStore(
            self._replicas["warehouse"], first, more_raw=dict(zip(own[1:], more, strict=True))
        )
        with store.open("churn.requests", query, caller="test") as read:
            for _ in read.batches():
                pass
            return read.finish()


@pytest.fixture
def spread(warehouse: Any) -> Iterator[Spread]:
    """Four raw databases with the pipeline's contract in the warehouse."""
    with ExitStack() as made:
        raw = made.enter_context(raw_servers(warehouse.databases, 4))
        pools = Pools.open(_consumers(raw))
        made.callback(pools.close)
        replicas = dict(pools.raw_replicas) | {"warehouse": pools.warehouse_replica}
        yield Spread(raw, pools, replicas)


def _consumers(raw: RawServers) -> Any:
    """Settings with every right, since the test stores as the consumer and moves as the data API.

    Readers stay readers.
    """
    owners = [each.dsn("postgres", "raw") for each in raw.of.values()]
    update = {"raw_dsn": owners[0], "raw_more_dsns": tuple(owners[1:])}
    return raw.settings("dataapi").model_copy(update=update)


def _same(one: Receipt, other: Receipt) -> bool:
    return (one.rows, one.sha256) == (other.rows, other.sha256)


def test_the_hash_does_not_depend_on_the_number_of_servers(spread: Spread) -> None:
    """On one, two and three servers, before and after partitions move: the same dataset."""
    spread.store(60)
    assert _same(spread.read(0), spread.read(1))
    assert 3 == spread.spread(2)
    assert _same(spread.read(0), spread.read(2))
    spread.store(60)
    assert _same(spread.read(0), spread.read(2))
    assert 2 == spread.spread(3)
    spread.store(60)

    receipt = spread.read(3)
    assert 180 == receipt.rows
    assert _same(spread.read(0), receipt)
    assert ["raw", "raw-2", "raw-3"] == [each.shard for each in receipt.servers]


@pytest.mark.parametrize("columns", [None, ("sequence", "client_id")])
def test_windows_limits_and_columns_are_those_of_one_server(
    spread: Spread, columns: Sequence[str] | None
) -> None:
    """The latest rows are the latest of all servers together."""
    spread.spread(2)
    spread.store(12)
    spread.spread(2)
    spread.store(50)
    for limit in (1, 7, 61, 500):
        query = DatasetQuery(columns=columns, limit=limit)
        assert _same(spread.read(0, query), spread.read(2, query))


def test_a_receipt_can_be_had_again(spread: Spread) -> None:
    """Its marks are a vector: rows that came since, on any server, are not in it."""
    spread.store(12)
    before = spread.read(1)
    spread.spread(2)
    spread.store(30)
    first = spread.read(2)
    spread.store(30)

    assert {"raw-2": first.servers[1].as_of} == first.query.marks
    assert _same(first, spread.read(2, first.query))
    assert _same(before, spread.read(2, before.query))
    assert 72 == spread.read(2).rows


def test_a_server_that_is_away_is_named(spread: Spread) -> None:
    """A dataset without its rows would be another one: it is refused."""
    spread.store(6)
    settings = spread.pools.raw_replica.settings
    spread._replicas["raw-2"] = ReplicaPool(
        SecretStr("host=127.0.0.1 port=1 dbname=raw"), settings, name="raw-2-replica"
    )
    with pytest.raises(Unavailable, match="standby raw-2-replica"):
        spread.read(2)
