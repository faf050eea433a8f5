"""etl over several raw servers: features of all, from whichever of them is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from more_raw import RawServers, raw_servers
from pydantic import SecretStr

from mlplatform.access import Caller, Role
from mlplatform.contracts.quarantine import CorrectRequest, DropRequest, RedriveRequest
from mlplatform.contracts.shards import FIRST
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.balance import Balance
from mlplatform.dataapi.corrections import Corrections
from mlplatform.dataapi.quarantine import Quarantine
from mlplatform.database.pools import PrimaryPool
from mlplatform.etl.catalogue import Catalogue
from mlplatform.etl.redriving import Redriver
from mlplatform.etl.several import ShardWorkers
from mlplatform.etl.worker import Worker
from mlplatform.settings import EtlSettings, SourceSettings

ADMIN = Caller(name="admin", roles=(Role.ADMIN,), sha256="0" * 64)
AWAY = "host=127.0.0.1 port=1 dbname=raw"
Good = Callable[..., dict[str, Any]]


@dataclass
class Several:
    """A scene on each raw server; what etl writes is in one warehouse."""

    first: Any
    second: Any
    raw: RawServers

    def workers(self, away: str = "") -> ShardWorkers:
        """What etl runs over both; `away` gives the second one another address."""
        settings = self.raw.settings("etl")
        dsns = {FIRST: settings.raw_dsn, "raw-2": settings.raw_more_dsns[0]}
        if away:
            dsns["raw-2"] = SecretStr(away)
        pools = {name: PrimaryPool(dsn, settings, name=name) for name, dsn in dsns.items()}
        warehouse = PrimaryPool(settings.warehouse_dsn, settings, name="etl")
        self.first.pools += [*pools.values(), warehouse]
        repository = self.first.repository
        source = SourceSettings(url=str(repository), cache=repository.parent / "cache")
        known = Catalogue(pools[FIRST], warehouse, source, retry_s=0.001)
        workers = {
            name: Worker(pool, warehouse, known, EtlSettings(), shard=name)
            for name, pool in pools.items()
        }
        return ShardWorkers(
            workers, Redriver(pools, warehouse, known, batch_rows=10_000), rest_s=0.0
        )

    def drain(self, away: str = "") -> None:
        """Steps until nothing is left."""
        workers = self.workers(away)
        while workers.step():
            pass

    def decide(self, decision: str, ids: Sequence[int], **more: Any) -> Any:
        """A person's decision about entries of the quarantine."""
        with self.raw.pools() as pools:
            audit = AuditLog(pools.warehouse)
            if decision == "correct":
                handler = Corrections(pools.raws, pools.warehouse, audit)
                return handler.correct(ADMIN, ids[0], CorrectRequest(**more))
            handler = Quarantine(pools.warehouse, audit)
            request = {"redrive": RedriveRequest, "drop": DropRequest}[decision]
            return getattr(handler, decision)(ADMIN, request(ids=ids, **more))

    def balance(self) -> dict[str, int]:
        """The rows of the pipeline, without what is 0."""
        self.first.databases.catch_up()
        with self.raw.pools() as pools:
            balance = Balance(pools, AuditLog(pools.warehouse), silent_s=120)
            found = balance.take(ADMIN, pipeline="loans").rows["loans"].model_dump()
        return {name: count for name, count in found.items() if count}


@pytest.fixture
def several(scene: Any, databases: Any) -> Iterator[Several]:
    """Two raw servers with the pipeline applied."""
    with raw_servers(databases, 2) as raw:
        yield Several(scene, replace(scene, databases=raw.of["raw-2"]), raw)


def test_rows_of_all_servers_become_features(several: Several, good: Good) -> None:
    """The same partition on two servers has a position on each; nothing is skipped or doubled."""
    digest = several.first.apply()
    ids = several.first.serve([good()], [good()], [good()])
    ids += several.second.serve([good(), good()], [good()])
    several.drain()
    ids += several.second.serve([good()])
    ids += several.first.serve([good()])
    several.drain()

    found = [str(row["request_id"]) for row in several.first.features(digest)]
    assert sorted(ids) == sorted(set(found))
    assert 8 == len(found)
    query = "SELECT shard, next_offset FROM warehouse.progress WHERE digest = %s ORDER BY shard"
    places = [tuple(row.values()) for row in several.first.rows(query, digest)]
    assert [("raw", 4), ("raw-2", 3)] == places


def test_one_server_that_is_away_holds_up_its_own_rows_only(several: Several, good: Good) -> None:
    """The others' rows become features meanwhile, and its own when it is back."""
    digest = several.first.apply()
    (here,) = several.first.serve([good()])
    (there,) = several.second.serve([good()])
    several.drain(away=AWAY)
    assert [here] == [str(row["request_id"]) for row in several.first.features(digest)]
    several.drain()
    assert [here, there] == [str(row["request_id"]) for row in several.first.features(digest)]


def test_a_redrive_finds_the_request_on_its_server(several: Several, good: Good) -> None:
    """A quarantined row is made anew from wherever its request lies, and counted there."""
    digest = several.first.apply()
    several.second.serve([good(income=-1), good()])
    several.drain()
    with several.second.databases.connect("postgres", "raw") as raw:
        raw.execute("UPDATE raw.requests SET inputs = replace(inputs::text, '-1', '1')::json")
    with several.first.databases.connect("postgres", "warehouse") as warehouse:
        warehouse.execute("UPDATE warehouse.quarantine SET redrive_at = now()")
    several.drain()

    assert 2 == len(several.first.features(digest))
    query = "SELECT shard, featured, quarantined FROM warehouse.progress WHERE digest = %s"
    assert [("raw-2", 2, 0)] == [tuple(row.values()) for row in several.first.rows(query, digest)]


def test_decisions_reach_rows_of_either_server(several: Several, good: Good) -> None:
    """Corrected, tried again and dropped; what lies on a server that is away waits for it alone."""
    digest = several.first.apply()
    several.first.serve([good(income=-1)])
    several.second.serve([good(income=-2), good(income=1)], [good(income=-3)], [good(income=-4)])
    several.drain()
    query = "SELECT id FROM warehouse.quarantine ORDER BY (payload ->> 'income')::float DESC"
    here, there, dropped, again = (row["id"] for row in several.first.rows(query))
    several.decide("correct", [there], fields={"income": 6}, why="a typing error")
    several.decide("correct", [here], fields={"income": 5}, why="a typing error")
    several.drain(away=AWAY)
    assert [1.0, 5.0] == sorted(row["income"] for row in several.first.features(digest))
    several.drain()
    several.decide("drop", [dropped], why="a test")
    several.decide("redrive", [again])
    several.drain()

    assert [1.0, 5.0, 6.0] == sorted(row["income"] for row in several.first.features(digest))
    assert {"raw": 5, "featured": 3, "quarantined": 1, "dropped": 1} == several.balance()
