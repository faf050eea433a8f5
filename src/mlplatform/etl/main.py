"""The etl process."""

from __future__ import annotations

import threading

from mlplatform import loop
from mlplatform.database.pools import PrimaryPool
from mlplatform.etl.catalogue import Catalogue
from mlplatform.etl.worker import Worker
from mlplatform.loop import Backoff, stop_on_signals
from mlplatform.settings import Settings, require
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
    raw = PrimaryPool(
        require(settings.postgres.raw_dsn, "postgres", "raw_dsn"), settings.postgres, name="etl"
    )
    warehouse = PrimaryPool(
        require(settings.postgres.warehouse_dsn, "postgres", "warehouse_dsn"),
        settings.postgres,
        name="etl",
    )
    serve_pages(settings.telemetry)
    etl = settings.etl
    watch(etl.stuck_s, beside_s=max(settings.postgres.statement_timeout_s, etl.features_s))
    try:
        known = _catalogue(raw, warehouse, settings)
        work(Worker(raw, warehouse, known, etl), stop=stop, idle_s=etl.idle_s)
    finally:
        raw.close()
        warehouse.close()


def _catalogue(raw: PrimaryPool, warehouse: PrimaryPool, settings: Settings) -> Catalogue:
    return Catalogue(
        raw,
        warehouse,
        settings.source,
        retry_s=settings.etl.retry_s,
        features_s=settings.etl.features_s,
        redaction_key=settings.redaction.key,
    )


def work(worker: Worker, *, stop: threading.Event, idle_s: float) -> None:
    """Step after step until `stop` is set, with a pause of `idle_s` when there is nothing to do."""
    loop.run(
        worker.step,
        stop=stop,
        log=logger("etl"),
        idle_s=idle_s,
        backoff=_BACKOFF,
        on_failure=lambda _: counter("etl_failures_total").labels("").inc(),
    )
