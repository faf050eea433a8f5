"""Several raw servers: a worker for each, in turn; one that is away rests, and the others go on."""

from __future__ import annotations

import time
from collections.abc import Mapping

from mlplatform.errors import Unavailable
from mlplatform.etl.redriving import Redriver
from mlplatform.etl.worker import Worker
from mlplatform.telemetry import counter, logger

_REDRIVES = "redrives"
_REST_S = 5.0
"""A try may take as long as a connection may: more often, it would slow the others down."""


class ShardWorkers:
    """As a worker, over all of them. One thread."""

    def __init__(
        self, workers: Mapping[str, Worker], redriver: Redriver, *, rest_s: float = _REST_S
    ) -> None:
        """`redriver`: rows to redrive may lie on any of them, so they are a part by themselves."""
        self._workers = workers
        self._redriver = redriver
        self._rest_s = rest_s
        self._rests: dict[str, float] = {}
        self._log = logger("etl")

    def step(self) -> int:
        """One step of each; returns the number of requests dealt with.

        Raises Unavailable when no worker could make one.
        """
        done, failed = 0, dict[str, Unavailable]()
        parts: dict[str, Worker | Redriver] = {**self._workers, _REDRIVES: self._redriver}
        for shard, worker in parts.items():
            if self._rests.get(shard, 0.0) > time.monotonic():
                continue
            try:
                done += worker.step()
            except Unavailable as error:
                failed[shard] = error
            else:
                self._rests.pop(shard, None)
        self._rests |= dict.fromkeys(failed, time.monotonic() + self._rest_s)
        if failed and self._workers.keys() <= self._rests.keys():
            self._rests.clear()  # the warehouse may be away: the caller backs off
            raise next(iter(failed.values()))
        for shard, why in failed.items():
            counter("etl_failures_total").labels("").inc()
            self._log.warning("a raw server is left out", part=shard, error=str(why))
        return done
