"""The etl process."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from mlplatform import loop
from mlplatform.contracts.shards import FIRST, names
from mlplatform.database.pools import PrimaryPool
from mlplatform.etl.catalogue import Catalogue
from mlplatform.etl.redriving import Redriver
from mlplatform.etl.several import ShardWorkers
from mlplatform.etl.worker import Worker
from mlplatform.loop import Backoff, stop_on_signals
from mlplatform.settings import PostgresSettings, Settings, require
from mlplatform.telemetry import counter, logger
from mlplatform.watchdog import watch
from mlplatform.work_pages import serve_pages

# Features that come some seconds later hurt nobody, so a database that is away gets more time than
# from the consumer.
_BACKOFF = Backoff(first_s=0.2, most_s=10.0)


def run(settings: Settings) -> None:
    """Turn raw rows into feature rows until SIGTERM or SIGINT; a running batch is finished first.

    Several processes share the work.
    """
    stop = stop_on_signals()
    require(settings.source.url, "source", "url")
    raws = _raws(settings.postgres)
    warehouse = PrimaryPool(
        require(settings.postgres.warehouse_dsn, "postgres", "warehouse_dsn"),
        settings.postgres,
        name="etl",
    )
    serve_pages(settings.telemetry)
    etl = settings.etl
    watch(etl.stuck_s, beside_s=max(settings.postgres.statement_timeout_s, etl.features_s))
    try:
        work(_workers(settings, raws, warehouse), stop=stop, idle_s=etl.idle_s)
    finally:
        for pool in (*raws.values(), warehouse):
            pool.close()


def _raws(postgres: PostgresSettings) -> dict[str, PrimaryPool]:
    first = require(postgres.raw_dsn, "postgres", "raw_dsn")
    dsns = (first, *postgres.raw_more_dsns)
    return {
        shard: PrimaryPool(dsn, postgres, name="etl" if shard == FIRST else f"etl of {shard}")
        for shard, dsn in zip(names(len(dsns)), dsns, strict=True)
    }


def _workers(
    settings: Settings, raws: Mapping[str, PrimaryPool], warehouse: PrimaryPool
) -> ShardWorkers:
    etl = settings.etl
    known = Catalogue(
        raws[FIRST],
        warehouse,
        settings.source,
        retry_s=etl.retry_s,
        features_s=etl.features_s,
        redaction_key=settings.redaction.key,
        more_raw=[pool for shard, pool in raws.items() if shard != FIRST],
    )
    workers = {
        shard: Worker(raw, warehouse, known, etl, shard=shard) for shard, raw in raws.items()
    }
    redriver = Redriver(raws, warehouse, known, batch_rows=etl.batch_rows)
    return ShardWorkers(workers, redriver)


def work(worker: ShardWorkers, *, stop: threading.Event, idle_s: float) -> None:
    """Step after step until `stop` is set, with a pause of `idle_s` when there is nothing to do."""
    loop.run(
        worker.step,
        stop=stop,
        log=logger("etl"),
        idle_s=idle_s,
        backoff=_BACKOFF,
        on_failure=lambda _: counter("etl_failures_total").labels("").inc(),
    )
