"""The pools of the data API: the raw servers and the warehouse, to write and to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from mlplatform.contracts.shards import FIRST, names
from mlplatform.database.pools import PrimaryPool, ReplicaPool
from mlplatform.errors import SettingsError
from mlplatform.settings import PostgresSettings, require, variable


@dataclass(frozen=True)
class Pools:
    """All databases, on the primary and on a standby.

    `raw` is the first raw server; `more_raw` are the further ones by name, in their order.
    """

    raw: PrimaryPool
    warehouse: PrimaryPool
    raw_replica: ReplicaPool
    warehouse_replica: ReplicaPool
    more_raw: Mapping[str, PrimaryPool] = field(default_factory=dict)
    more_raw_replicas: Mapping[str, ReplicaPool] = field(default_factory=dict)

    @classmethod
    def open(cls, postgres: PostgresSettings) -> Pools:
        """Pools at the addresses of `postgres`; they connect on first use."""
        dsns = {
            name: require(getattr(postgres, f"{name}_dsn"), "postgres", f"{name}_dsn")
            for name in ("raw", "warehouse", "raw_replica", "warehouse_replica")
        }
        further = _further(postgres)
        return cls(
            raw=PrimaryPool(dsns["raw"], postgres, name="raw"),
            warehouse=PrimaryPool(dsns["warehouse"], postgres, name="warehouse"),
            raw_replica=ReplicaPool(dsns["raw_replica"], postgres, name="raw-replica"),
            warehouse_replica=ReplicaPool(
                dsns["warehouse_replica"], postgres, name="warehouse-replica"
            ),
            more_raw={
                shard: PrimaryPool(dsn, postgres, name=shard) for shard, (dsn, _) in further.items()
            },
            more_raw_replicas={
                shard: ReplicaPool(dsn, postgres, name=f"{shard}-replica")
                for shard, (_, dsn) in further.items()
            },
        )

    @property
    def raws(self) -> Mapping[str, PrimaryPool]:
        """Every raw server's primary, by name, in their order."""
        return {FIRST: self.raw, **self.more_raw}

    @property
    def raw_replicas(self) -> Mapping[str, ReplicaPool]:
        """A standby of every raw server."""
        return {FIRST: self.raw_replica, **self.more_raw_replicas}

    def close(self) -> None:
        """Close all of them."""
        for primary in (*self.raws.values(), self.warehouse):
            primary.close()
        for replica in (*self.raw_replicas.values(), self.warehouse_replica):
            replica.close()


def _further(postgres: PostgresSettings) -> dict[str, tuple[SecretStr, SecretStr]]:
    """Primary and standby of each further raw server. Raises SettingsError where one is missing."""
    primaries, standbys = postgres.raw_more_dsns, postgres.raw_more_replica_dsns
    if len(primaries) != len(standbys):
        raise SettingsError(
            f"names {len(standbys)} servers, and raw_more_dsns {len(primaries)}",
            field=variable("postgres", "raw_more_replica_dsns"),
            fix="each raw server has a primary and a standby",
        )
    pairs = zip(primaries, standbys, strict=True)
    return dict(zip(names(1 + len(primaries))[1:], pairs, strict=True))
