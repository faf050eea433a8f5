"""Where one raw server ends, and what a second one adds: consumers on one against two.

    python tests/benchmarks/raw_servers.py [--seconds 20] [--servers 1 2 3]

Each server is a PostgreSQL primary with fsync on, on this machine; each has a consumer process that
decodes and stores records as fast as it can. For each number of servers: rows a second over all,
and processor time a row of the consumers, which must not grow with the number. What several servers
can take is only shown on a machine with a disk and cores for each; on one disk they share it.
"""

from __future__ import annotations

import argparse
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


def measure(count: int, seconds: float) -> Measured:
    """Rows a second over so many servers, and processor microseconds a row."""
    with ExitStack() as running:
        found = [running.enter_context(server()) for _ in range(count)]
        dsns = [each.dsn("consumer", "raw").get_secret_value() for each in found]
        done: Queue[Measured] = multiprocessing.Queue()
        workers = [
            multiprocessing.Process(target=consume, args=(dsn, seconds, done)) for dsn in dsns
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
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    base: Measured | None = None
    for count in options.servers:
        speed, cost = measure(count, options.seconds)
        base = base or (speed, cost)
        print(
            f"{count} server(s) {speed:>10,} rows/s {speed / base[0]:>6.2f}x"
            f"   {cost:>8.1f} us of processor a row {cost / base[1]:>6.2f}x"
        )


if __name__ == "__main__":
    main()
