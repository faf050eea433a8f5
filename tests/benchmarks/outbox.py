"""What durability costs in serving and in the consumer, beside the usual way, in one run.

    python tests/benchmarks/outbox.py [--folder DIR] [--rounds 5] [--rows 20000]
    [--without-database]

Outbox: one append of 1, 8 and 64 records of 600 bytes, against one SQLite transaction (WAL,
synchronous=FULL) of as many inserts, in turns on the same disk. Consumer: rows a second from the
queue's records to committed rows, against `COPY` of the same rows straight into the same table,
which is what the database can take at most.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import psycopg

from mlplatform.consumer.decode import entry
from mlplatform.contracts.chain import before
from mlplatform.contracts.request import EncodedRecord, encode, new_request_id
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.request_row import RequestRow
from mlplatform.database.requests import RequestStore
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers import binaries
from mlplatform.local.servers.postgres import LocalPostgres, new_passwords
from mlplatform.outbox import OutboxWriter
from mlplatform.queue import QueueRecord
from mlplatform.serving.chain import RecordGroup
from mlplatform.serving.salts import Salts

PAYLOAD = bytes(range(256)) * 2 + bytes(88)  # 600 bytes
BATCHES = (1, 8, 64)
CALLS = 200  # appends per round: enough for a median, short enough to stay in one phase of the disk
COLUMNS = (
    "request_id, pipeline, source, topic, partition, log_offset, outbox_id, sequence, version, "
    "caller, client_id, received_at, rows, inputs, outputs, form, salt, digest, chain"
)


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Microseconds of each call."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append((time.perf_counter() - started) * 1e6)
    return found


def compare_outbox(folder: Path, rounds: int) -> None:
    """Print median times of an append and of a transaction, and their ratio."""
    writer = OutboxWriter.open(folder / "outbox", segment_bytes=16 << 20, capacity_bytes=4 << 30)
    sqlite = sqlite3.connect(folder / "beside.sqlite", isolation_level=None)
    sqlite.execute("PRAGMA journal_mode = WAL")
    sqlite.execute("PRAGMA synchronous = FULL")
    sqlite.execute("CREATE TABLE outbox (sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL)")

    def insert(batch: int) -> None:
        sqlite.execute("BEGIN")
        sqlite.executemany("INSERT INTO outbox (payload) VALUES (?)", [(PAYLOAD,)] * batch)
        sqlite.execute("COMMIT")

    print(f"{'records':>8} {'outbox us':>10} {'p99':>8} {'sqlite us':>10} {'p99':>8} {'ratio':>6}")
    for batch in BATCHES:
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(rounds):
            ours += timed(partial(writer.append, [PAYLOAD] * batch), CALLS)
            theirs += timed(partial(insert, batch), CALLS)
        medians = statistics.median(ours), statistics.median(theirs)
        tails = statistics.quantiles(ours, n=100)[98], statistics.quantiles(theirs, n=100)[98]
        print(
            f"{batch:>8} {medians[0]:>10.0f} {tails[0]:>8.0f} {medians[1]:>10.0f} {tails[1]:>8.0f} "
            f"{medians[1] / medians[0]:>6.2f}"
        )
    writer.close()
    sqlite.close()


def records(rows: int, start: int) -> list[QueueRecord]:
    """Records of one partition as serving writes them, of about 700 bytes."""
    outbox_id = str(uuid.uuid4())
    inputs = {f"column_{number}": number * 1.2345678 for number in range(12)}
    group = RecordGroup(before(outbox_id), "", Salts())
    for number in range(rows):
        record = group.sealed(
            EncodedRecord(
                outbox_id=outbox_id,
                sequence=number + 1,
                request_id=new_request_id(),
                pipeline="bench",
                version="1",
                caller="bench",
                received_us=time.time_ns() // 1000,
                rows=1,
                dialect="rows",
                body=msgspec.Raw(msgspec.json.encode({"rows": [inputs]})),
                outputs=msgspec.Raw(b'{"prediction":[0.5]}'),
            )
        )
        group.take(record, encode(record))
    return [
        QueueRecord(0, offset, b"", payload) for offset, payload in enumerate(group.payloads, start)
    ]


def compare_consumer(rows: int, rounds: int) -> None:
    """Print rows a second of decode and store, of store alone, and of a plain COPY."""
    with server() as servers:
        settings = servers.settings("consumer")
        pool = PrimaryPool(settings.raw_dsn, settings, name="bench")
        store = RequestStore(pool, topic="bench")
        found: dict[str, list[float]] = {"decode and store": [], "store": [], "COPY": []}
        for turn in range(rounds):
            batch = records(rows, 2 * turn * rows)
            started = time.perf_counter()
            for first in range(0, rows, 2000):
                store.store([entry(record) for record in batch[first : first + 2000]], holes={})
            found["decode and store"].append(rows / (time.perf_counter() - started))
            ready = [entry(record) for record in records(rows, (2 * turn + 1) * rows)]
            started = time.perf_counter()
            for first in range(0, rows, 2000):
                store.store(ready[first : first + 2000], holes={})
            found["store"].append(rows / (time.perf_counter() - started))
            found["COPY"].append(
                rows / copy(servers, [entry(record) for record in records(rows, 0)])
            )
        pool.close()
    base = statistics.median(found["COPY"])
    for name, speeds in found.items():
        speed = statistics.median(speeds)
        print(f"{name:>18} {speed:>10,.0f} rows/s {speed / base:>6.2f} of COPY")


def copy(servers: LocalPostgres, rows: list[object]) -> float:
    """Seconds for the same transactions as plain COPY into the table."""
    values = [tuple_of(row) for row in rows]
    with psycopg.connect(servers.dsn("postgres", "raw").get_secret_value()) as connection:
        started = time.perf_counter()
        for first in range(0, len(values), 2000):
            with connection.cursor().copy(f"COPY raw.requests ({COLUMNS}) FROM STDIN") as into:
                for value in values[first : first + 2000]:
                    into.write_row(value)
            connection.commit()
        return time.perf_counter() - started


def tuple_of(row: object) -> tuple[object, ...]:
    """The values of a row, as `COLUMNS` has them."""
    assert isinstance(row, RequestRow)
    return (
        row.request_id, row.pipeline, "serving", "copy", 0, row.offset, row.outbox_id, row.sequence,
        row.version, row.caller, row.client_id, row.received_at, row.rows, row.inputs, row.outputs,
        row.form, row.salt, row.digest, row.chain,
    )  # fmt: skip


@contextmanager
def server() -> Iterator[LocalPostgres]:
    """A primary with fsync on, in a throwaway folder."""
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-bench-"))
    folder.chmod(0o711)
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], other.getsockname()[1]
    programs = binaries.find(None, copies=folder / "programs")
    servers = LocalPostgres(
        folder / "postgres",
        programs,
        passwords=new_passwords(),
        primary_port=ports[0],
        standby_port=ports[1],
    )
    try:
        with Supervisor([servers.primary_spec()], logs=folder / "logs") as supervisor:
            servers.prepare_primary()
            supervisor.start("postgres-primary")
            servers.provision()
            yield servers
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, help="where outbox and SQLite file are made: the disk to measure"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--without-database", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        compare_outbox(Path(folder), options.rounds)
    if not options.without_database:
        compare_consumer(options.rows, options.rounds)


if __name__ == "__main__":
    main()
