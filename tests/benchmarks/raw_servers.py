"""Where one raw server ends, and what a second one adds: consumers on one against two.

    python tests/benchmarks/raw_servers.py [--seconds 20] [--servers 2 3]

Each server is a PostgreSQL primary with fsync on, on this machine; each has a consumer process that
decodes and stores records as fast as it can. For each number of servers: rows a second over all,
and processor time a row of the consumers, beside as many consumers on one server: processes that
run at once take each other's caches, so these are compared. What several servers can take is only
shown on a machine with a disk and cores for each; on one disk they share it.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import time
import uuid
from contextlib import ExitStack
from multiprocessing.queues import Queue

from outbox import records, server
from pydantic import SecretStr

from mlplatform.consumer.decode import entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.settings import PostgresSettings

BATCH = 2_000
Measured = tuple[int, float]
"""Rows, and processor seconds for them."""


def consume(dsn: str, seconds: float, done: Queue[Measured]) -> None:
    """A consumer's work on one server, in a process of its own."""
    pool = PrimaryPool(SecretStr(dsn), PostgresSettings(), name="bench")
    store = RequestStore(pool, topic=f"bench-{uuid.uuid4()}")
    rows, used = 0, 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        batch = records(BATCH, rows)  # not measured: what the queue would hand over
        began = processor()
        store.store([entry(record) for record in batch], holes={})
        used += processor() - began
        rows += BATCH
    pool.close()
    done.put((rows, used))


def processor() -> float:
    """Processor seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(servers: int, consumers: int, seconds: float) -> Measured:
    """Rows a second over so many servers, and processor microseconds a row of the consumers."""
    with ExitStack() as running:
        found = [running.enter_context(server()) for _ in range(servers)]
        dsns = [each.dsn("consumer", "raw").get_secret_value() for each in found]
        done: Queue[Measured] = multiprocessing.Queue()
        workers = [
            multiprocessing.Process(target=consume, args=(dsn, seconds, done))
            for _, dsn in zip(range(consumers), itertools.cycle(dsns), strict=False)
        ]
        for worker in workers:
            worker.start()
        results = [done.get() for _ in workers]
        for worker in workers:
            worker.join()
    rows = sum(rows for rows, _ in results)
    return round(rows / seconds), 1e6 * sum(used for _, used in results) / rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--servers", type=int, nargs="+", default=[2])
    options = parser.parse_args()
    one = measure(1, 1, options.seconds)
    show(1, 1, one, one)
    for count in options.servers:
        same = measure(1, count, options.seconds)
        show(1, count, same, same)
        show(count, count, measure(count, count, options.seconds), same)


def show(servers: int, consumers: int, found: Measured, base: Measured) -> None:
    """A line, with its ratios to `base`."""
    (speed, cost), (usual, price) = found, base
    print(
        f"{servers} server(s), {consumers} consumer(s) {speed:>10,} rows/s {speed / usual:>6.2f}x"
        f"   {cost:>8.1f} us of processor a row {cost / price:>6.2f}x"
    )


if __name__ == "__main__":
    main()
