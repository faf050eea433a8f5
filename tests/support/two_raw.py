"""A data API over two raw servers, and records in the partitions of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from more_raw import RawServers, raw_servers
from pydantic import SecretStr

from mlplatform.contracts.request import RequestRecord, encode, new_request_id
from mlplatform.dataapi import repeats
from mlplatform.dataapi.moves import Moves
from mlplatform.database import queue_entries
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore

TOPIC = "mlplatform.requests"
PARTITIONS = (0, 1, 2, 3)
AWAY = SecretStr("host=127.0.0.1 port=1 dbname=raw")


@dataclass
class Two:
    """A data API, the servers behind it, and the consumers' stores by server."""

    api: Any
    raw: RawServers
    stores: dict[str, RequestStore]
    moves: Moves
    outbox: str = field(default_factory=lambda: str(uuid4()))
    ids: dict[int, str] = field(default_factory=dict)  # number -> request id
    _next: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))

    def holders(self) -> dict[int, str]:
        """Partition -> the server that stores it."""
        return {
            part: shard
            for shard, store in self.stores.items()
            for part, at in store.positions(PARTITIONS).items()
            if at is not None
        }

    def shard(self, number: int) -> str:
        """The server that stores a number."""
        return self.holders()[number % len(PARTITIONS)]

    def store(self, *numbers: int, broken: bool = False, **changes: Any) -> None:
        """Records of the outbox, each in the partition of its number."""
        if broken:
            changes["format"] = 7
        self.put({number: encode(self.record(number, **changes)) for number in numbers})

    def put(self, payloads: Mapping[int, bytes], *, refused: str | None = None) -> None:
        """Records as the queue has them, by number; `refused` says why they are dead letters."""
        holders = self.holders()
        for number, sent in payloads.items():
            part = number % len(PARTITIONS)
            place = {"partition": part, "offset": self._next[part]}
            found = (
                queue_entries.entry(sent, **place)
                if refused is None
                else queue_entries.dead_letter(sent, queue_entries.REFUSED, refused, **place)
            )
            self._next[part] += 1
            self.stores[holders[part]].store([found], holes={})
        self.raw.of["raw"].catch_up()

    def record(self, number: int, **changes: Any) -> RequestRecord:
        """What serving sends."""
        values: dict[str, Any] = {
            "outbox_id": self.outbox,
            "sequence": number,
            "request_id": new_request_id(),
            "pipeline": "manual-one",
            "version": "1",
            "caller": "me",
            "received_us": 1_700_000_000_000_000,
            "rows": 1,
            "inputs": {"width": [2.5]},
            "outputs": {"kind": ["rose"]},
        } | changes
        self.ids[number] = values["request_id"]
        return RequestRecord(**values)

    def of(self, shard: str) -> Any:
        """The data API as one whose raw database is this server's."""
        return replace(self.api, databases=self.raw.of[shard])

    def move(self, part: int, target: str) -> None:
        """A partition goes on at another server."""
        self.moves._move((TOPIC, part), self.holders()[part], target)

    def settle(self) -> None:
        """Ask for each record that has come again whether the other server has it."""
        pools = self.moves._pools
        repeats.settle(pools.raws, pools.warehouse)
        self.raw.of["raw"].catch_up()

    def featurise(self, pipeline: str = "manual-one") -> None:
        """What etl does on both."""
        for shard in self.raw.of:
            self.of(shard).featurise(pipeline, shard=shard)

    def execute(self, statement: str, *values: Any) -> None:
        """What the owner of the databases does on both."""
        for databases in self.raw.of.values():
            with databases.connect("postgres", "raw") as connection:
                connection.execute(statement, values)
        self.raw.of["raw"].catch_up()

    def lose(self, number: int) -> None:
        """A row vanishes."""
        self.execute("DELETE FROM raw.requests WHERE sequence = %s", number)


@contextmanager
def two_raw(
    databases: Any, start: Callable[..., Any], folder: Path, wait: Callable[..., Any]
) -> Iterator[Two]:
    """Two raw servers over which the data API has spread four partitions."""
    with raw_servers(databases, 2) as raw, ExitStack() as pools:
        settings = raw.settings("dataapi")
        names = ("raw_more_dsns", "raw_more_replica_dsns")
        more = {name: getattr(settings, name) for name in names}
        stores = {}
        for shard, each in raw.of.items():
            own = each.settings("consumer")
            pool = PrimaryPool(own.raw_dsn, own, name=shard)
            pools.callback(pool.close)
            stores[shard] = RequestStore(pool, topic=TOPIC, shard=shard)
        stores["raw"].bind("id", dict.fromkeys(PARTITIONS, 0))
        databases.catch_up()
        api = start(databases, folder, postgres=more)
        background = api.collaborators.background
        found = Two(api, raw, stores, next(each for each in background if isinstance(each, Moves)))
        # Its own thread does that too, but only every few seconds.
        wait(lambda: found.moves.once() or 2 == list(found.holders().values()).count("raw-2"))
        yield found


def away(two: Two, start: Callable[..., Any], folder: Path) -> Any:
    """A data API of the same databases to which the second raw server is away."""
    folder.mkdir()
    gone = {"raw_more_dsns": (AWAY,), "raw_more_replica_dsns": (AWAY,)}
    return start(two.raw.of["raw"], folder, postgres=gone)
