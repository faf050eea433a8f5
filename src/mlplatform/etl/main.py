"""The etl process."""

from __future__ import annotations

import random
import signal
import threading

from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import Unavailable
from mlplatform.etl.catalogue import Catalogue
from mlplatform.etl.worker import Worker
from mlplatform.settings import Settings, require
from mlplatform.telemetry import counter, logger, serve_metrics, turned, watch

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0


def run(settings: Settings) -> None:
    """Turn raw rows into feature rows until SIGTERM or SIGINT; a running batch is finished first.

    Several processes share the work.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    require(settings.source.url, "source", "url")
    raw = PrimaryPool(
        require(settings.postgres.raw_dsn, "postgres", "raw_dsn"), settings.postgres, name="etl"
    )
    warehouse = PrimaryPool(
        require(settings.postgres.warehouse_dsn, "postgres", "warehouse_dsn"),
        settings.postgres,
        name="etl",
    )
    serve_metrics(settings.telemetry)
    watch(3 * settings.postgres.statement_timeout_s)
    try:
        catalogue = Catalogue(warehouse, settings.source, retry_s=settings.etl.retry_s)
        work(Worker(raw, warehouse, catalogue, settings.etl), stop=stop, idle_s=settings.etl.idle_s)
    finally:
        raw.close()
        warehouse.close()


def work(worker: Worker, *, stop: threading.Event, idle_s: float) -> None:
    """Step after step until `stop` is set; a pause when there is nothing to do, longer and longer ones while a database is away."""
    pause_s = _FIRST_PAUSE_S
    while not stop.is_set():
        turned()
        try:
            done = worker.step()
        except Unavailable as error:
            counter("etl_failures_total").labels("").inc()
            logger("etl").warning("backing off", error=str(error), seconds=round(pause_s, 2))
            stop.wait(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
        else:
            pause_s = _FIRST_PAUSE_S
            if not done:
                stop.wait(idle_s)
