"""The pools of the data API: both databases, to write and to read."""

from __future__ import annotations

from dataclasses import dataclass

from mlplatform.database.pools import PrimaryPool, ReplicaPool
from mlplatform.settings import PostgresSettings, require


@dataclass(frozen=True)
class Pools:
    """Both databases, on the primary and on a standby."""

    raw: PrimaryPool
    warehouse: PrimaryPool
    raw_replica: ReplicaPool
    warehouse_replica: ReplicaPool

    @classmethod
    def open(cls, postgres: PostgresSettings) -> Pools:
        """Pools at the addresses of `postgres`; they connect on first use."""
        dsns = {
            name: require(getattr(postgres, f"{name}_dsn"), "postgres", f"{name}_dsn")
            for name in ("raw", "warehouse", "raw_replica", "warehouse_replica")
        }
        return cls(
            raw=PrimaryPool(dsns["raw"], postgres, name="raw"),
            warehouse=PrimaryPool(dsns["warehouse"], postgres, name="warehouse"),
            raw_replica=ReplicaPool(dsns["raw_replica"], postgres, name="raw-replica"),
            warehouse_replica=ReplicaPool(
                dsns["warehouse_replica"], postgres, name="warehouse-replica"
            ),
        )

    def close(self) -> None:
        """Close all of them."""
        for pool in (self.raw, self.warehouse, self.raw_replica, self.warehouse_replica):
            pool.close()
