"""What the data API can do at present: both primaries must answer, the standbys should.

A thread proves the standbys every few seconds, so that no page waits for one that hangs. Without
them datasets are refused, while rows are still taken and versions promoted: the data API stays
ready, and says so. So it does without a further raw server, which holds up its own partitions only.
It also says when a consumer refuses the queue that it finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event, Thread

from mlplatform.dataapi.pools import Pools
from mlplatform.database import queue_offsets
from mlplatform.database.pools import ReplicaPool
from mlplatform.errors import Overloaded, PlatformError
from mlplatform.loop import jittered
from mlplatform.telemetry import gauge, logger

INTERVAL_S = 5.0
"""A login each. Who looks at a status page seconds after a failover sees it."""

_log = logger("readiness")


class Readiness:
    """`prove` is one round of the thread."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._reasons: Mapping[str, str] = {}
        self._away: Mapping[str, str] = {}  # further raw servers
        self._refused: Sequence[str] = ()  # what their consumers say
        self._ended = Event()
        self._thread = Thread(target=self._run, name="readiness", daemon=True)

    def start(self) -> None:
        """Start to prove the standbys."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present round."""
        self._ended.set()
        self._thread.join()

    def ready(self) -> dict[str, str]:
        """What can't be done at present -> why. Raises Unavailable when nothing can be."""
        with self._pools.warehouse.transaction() as connection:
            connection.execute("SELECT 1")
        with self._pools.raw.transaction() as connection:
            refused = [*queue_offsets.refused(connection), *self._refused]
        found = {"datasets": "; ".join(self._reasons.values()), "queue": "; ".join(refused)}
        found |= self._away
        return {what: why for what, why in found.items() if why}

    def prove(self) -> None:
        """Prove each standby, and remember why one could not be."""
        found = {}
        for pool in (*self._pools.raw_replicas.values(), self._pools.warehouse_replica):
            reason = _refusal(pool, self._reasons.get(pool.name))
            gauge("dataapi_standby_usable").labels(pool.name).set(reason is None)
            if reason is not None:
                found[pool.name] = reason
        if found.keys() != self._reasons.keys():
            if found:
                _log.warning("datasets are refused", reasons=found)
            else:
                _log.info("datasets can be read again")
        self._reasons = found
        self._check_further()

    def _check_further(self) -> None:
        away: dict[str, str] = {}
        refused: list[str] = []
        for shard, pool in self._pools.more_raw.items():
            try:
                with pool.transaction() as raw:
                    refused += queue_offsets.refused(raw)
            except PlatformError as error:
                away[shard] = error.message
        if away.keys() != self._away.keys():
            _log.warning("further raw servers that are away", reasons=away)
        self._away, self._refused = away, refused

    def _run(self) -> None:
        while not self._ended.is_set():
            self.prove()
            self._ended.wait(jittered(INTERVAL_S))


def _refusal(pool: ReplicaPool, before: str | None) -> str | None:
    try:
        with pool.read():
            return None
    except Overloaded:
        return before  # all sessions are reading: nothing new is known
    except PlatformError as error:
        return error.message
