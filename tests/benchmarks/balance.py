"""How long the balance takes over rows for years, all of them on a primary and its standby.

    python tests/benchmarks/balance.py [--rows 10000000] [--single 0.5] [--times 3] [--since 0]

The rows are written straight into the tables, in the shape that consumer, imports and etl give
them: a share of them (--single) as requests of one row, each with a number of one of four outboxes
in one of three partitions of the queue; the others as imports of a thousand rows a request; months
of them in partitions of raw.requests; a feature row for each. Then what autovacuum does in time,
and the balance as the data API takes it: of all rows, by a proof, from what the proof has kept, and
once more with rows (--since, requests of one row) that came after it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from history import NUMBERS, Stage, apply, processor_s, stage_of, standby_caught_up

from mlplatform.contracts.balance import BalanceSheet
from mlplatform.contracts.columns import DType, Feature
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.balance import Balance
from mlplatform.dataapi.pools import Pools
from mlplatform.database import feature_sets

NAME = "years"
OUTBOXES, PARTITIONS, IMPORTED, MONTHS = 4, 3, 1_000, 3
ID = """
CREATE FUNCTION pg_temp.id(number bigint, rows bigint, kind integer) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(({began} + {step} * number / rows)::bigint), 12, '0') || '7'
        || lpad(to_hex(kind), 3, '0') || '8' || lpad(to_hex(number), 15, '0'))::uuid
$$
"""
SINGLES = """
INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, log_offset, outbox_id,
    sequence, version, caller, received_at, rows, inputs, outputs, form, salt, digest, chain)
SELECT pg_temp.id(n, {count}, 0), '{name}', 'serving', 'requests', n % {partitions},
    n / {partitions}, lpad((n % {outboxes} + 1)::text, 32, '0')::uuid, n / {outboxes} + 1, '1',
    'client', now(), 1, format('{{"n0":[%s.25],"n1":[%s.5],"n2":[3.5],"n3":[4.5],"n4":[5.5],'
    '"n5":[6.5],"n6":[7.5],"whole":[%s],"city":["Bonn"]}}', n % 97, n % 89, n)::json,
    '{{"y":[1.5]}}', 'rows', decode(md5(n::text), 'hex'), sha256(n::text::bytea),
    sha256(n::text::bytea)
FROM generate_series({first}, {count} - 1) AS n
"""
IMPORTS = """
INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, log_offset, caller,
    received_at, rows, inputs)
SELECT pg_temp.id(n, {count}, 1), '{name}', 'import', 'import:{name}', 0, n, 'client', now(),
    {imported}, to_json(repeat(md5(n::text), 1000))
FROM generate_series(0, {count} - 1) AS n
"""
FEATURES = """
INSERT INTO features.{table} (request_id, row, batch, event_time, key, {numbers}, whole, city)
SELECT pg_temp.id(n, {count}, {kind}), row, {mark} + (n - {first}) / 5000,
    now() + n * interval '1 ms', NULL, {values}, row, 'Bonn'
FROM generate_series({first}, {count} - 1) AS n, generate_series(0, {rows} - 1) AS row
"""


def fill(stage: Stage, single: float) -> str:
    """Write the rows, and wait until the standby has them. Returns the features digest."""
    digest = apply(stage, NAME)
    _feature_table(stage, digest)
    imports = round(stage.rows * (1 - single)) // IMPORTED
    with _superuser(stage, "raw") as raw:
        _months(raw)
        _id(raw)
        raw.execute(IMPORTS.format(name=NAME, count=imports, imported=IMPORTED))
        raw.execute("INSERT INTO raw.offsets VALUES (%s, 0, %s)", (f"import:{NAME}", imports))
    with _superuser(stage, "warehouse") as warehouse:
        _id(warehouse)
        _features(warehouse, 0, imports, IMPORTED)
        place = (NAME, digest, f"import:{NAME}", 0, imports)
        warehouse.execute("INSERT INTO warehouse.progress VALUES (%s, %s, %s, %s, %s)", place)
    add(stage, digest, 0, stage.rows - imports * IMPORTED)
    return digest


def add(stage: Stage, digest: str, first: int, count: int) -> None:
    """Requests of one row from this one on, up to `count` of them in all."""
    nexts = [(part, (count - part - 1) // PARTITIONS + 1) for part in range(PARTITIONS)]
    with _superuser(stage, "raw") as raw:
        _id(raw)
        shape = {"name": NAME, "partitions": PARTITIONS, "outboxes": OUTBOXES}
        raw.execute(SINGLES.format(**shape, first=first, count=count))
        raw.cursor().executemany(
            "INSERT INTO raw.offsets VALUES ('requests', %s, %s) ON CONFLICT (topic, partition) "
            "DO UPDATE SET next_offset = excluded.next_offset",
            nexts,
        )
        _settle(stage, raw)
    with _superuser(stage, "warehouse") as warehouse:
        _id(warehouse)
        _features(warehouse, first, count, 1)
        warehouse.cursor().executemany(
            "INSERT INTO warehouse.progress VALUES (%s, %s, 'requests', %s, %s) "
            "ON CONFLICT (pipeline, digest, shard, topic, partition) DO UPDATE "
            "SET next_offset = excluded.next_offset",
            [(NAME, digest, *each) for each in nexts],
        )
        _settle(stage, warehouse)
    standby_caught_up(stage.servers)


def _features(warehouse: psycopg.Connection[Any], first: int, count: int, rows: int) -> None:
    """Feature rows of so many requests, of so many rows each, under marks of 5,000 requests."""
    (table,) = one(warehouse, "SELECT max(table_name) FROM control.feature_sets")
    values = {"numbers": ", ".join(NUMBERS), "values": "1.5, " * 6 + "1.5", "kind": int(rows > 1)}
    places = {"first": first, "count": count, "rows": rows, "table": table}
    (mark,) = one(warehouse, "SELECT warehouse.next_mark()")
    warehouse.execute(FEATURES.format(**values, **places, mark=mark))
    warehouse.execute("UPDATE warehouse.mark SET value = value + %s / 5000 + 1", (count - first,))


def one(session: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    """The row of a query that has one."""
    row: tuple[Any, ...] | None = session.execute(query).fetchone()
    assert row is not None
    return row


def _feature_table(stage: Stage, digest: str) -> str:
    """The table as etl makes it."""
    kinds: dict[str, DType] = dict.fromkeys(NUMBERS, "float64")
    kinds |= {"whole": "int64", "city": "string"}
    features = [Feature(name=name, dtype=dtype) for name, dtype in kinds.items()]
    with psycopg.connect(stage.servers.dsn("etl", "warehouse").get_secret_value()) as etl:
        found = feature_sets.find(etl, NAME, digest)
        return feature_sets.make_table(etl, found, features, None)


@contextmanager
def _superuser(stage: Stage, database: str) -> Iterator[psycopg.Connection[Any]]:
    dsn = stage.servers.dsn("postgres", database).get_secret_value()
    with psycopg.connect(dsn, autocommit=True) as session:
        yield session


def _settle(stage: Stage, session: psycopg.Connection[Any]) -> None:
    """What autovacuum does in time; the standby's feedback says that nobody reads older rows."""
    query = (
        "SELECT sum(relpages) - sum(relallvisible) FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN (to_regnamespace('raw'), to_regnamespace('features'))"
    )
    while True:
        standby_caught_up(stage.servers)
        session.execute("VACUUM ANALYZE")
        row = session.execute(query).fetchone()
        if row is not None and row[0] < 10:
            return
        time.sleep(5)


def _id(session: psycopg.Connection[Any]) -> None:
    """Request ids that begin with their time, over the months before now."""
    length = MONTHS * 30 * 86_400_000
    session.execute(ID.format(began=round(time.time() * 1000) - length, step=length))


def _months(raw: psycopg.Connection[Any]) -> None:
    """Partitions of months that have passed, as they were made when these began."""
    for back in range(1, MONTHS + 1):
        raw.execute(
            "DO $$ DECLARE low timestamptz := date_trunc('month', now(), 'UTC')"
            f" - interval '{back} month'; BEGIN EXECUTE format("
            "'CREATE TABLE raw.requests_%s PARTITION OF raw.requests FOR VALUES FROM (%L) TO (%L)',"
            " to_char(low AT TIME ZONE 'UTC', 'YYYYMM'), raw.first_request_id(low),"
            " raw.first_request_id(low + interval '1 month')); END $$"
        )


def take(stage: Stage, what: str, count: Callable[[], BalanceSheet]) -> BalanceSheet:
    """One balance; prints its seconds, and those of processor time on the standby."""
    before, started = _processor_s(stage), time.perf_counter()
    sheet = count()
    seconds = time.perf_counter() - started
    used = _processor_s(stage) - before
    print(f"{what} of {stage.rows:,} rows: {seconds:.2f} s, {used:.2f} s of processor", flush=True)
    return sheet


def _processor_s(stage: Stage) -> float:
    while True:
        with suppress(
            FileNotFoundError, ProcessLookupError
        ):  # a process of the server ended meanwhile
            return processor_s(stage.servers)[1]


def require_closed(sheet: BalanceSheet, rows: int) -> None:
    """It measures nothing if it did not see all of it."""
    line = sheet.rows[NAME]
    assert (rows, rows, 0, 0) == (line.raw, line.featured, line.waiting, line.unaccounted), line
    assert all(each.whole and each.in_flight == 0 for each in sheet.outboxes), sheet.outboxes
    assert OUTBOXES == len(sheet.outboxes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--single", type=float, default=0.5, help="share of requests of one row")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--since", type=int, default=0, help="requests that come after the proof")
    options = parser.parse_args()
    with stage_of(0) as empty:
        stage = Stage(empty.servers, empty.folder, empty.csv, options.rows)
        started = time.perf_counter()
        digest = fill(stage, options.single)
        print(f"written in {time.perf_counter() - started:.0f} s", flush=True)
        pools = Pools.open(stage.servers.settings("dataapi"))
        balance = Balance(pools, AuditLog(pools.warehouse), silent_s=120)
        steps = [("balance", lambda: balance._count(None))] * options.times
        for what, count in [*steps, ("proof", balance._prove), *steps]:
            require_closed(take(stage, what, count), options.rows)
            standby_caught_up(stage.servers)
        if options.since:
            singles = (
                options.rows - round(options.rows * (1 - options.single)) // IMPORTED * IMPORTED
            )
            add(stage, digest, singles, singles + options.since)
            for what, count in steps:
                require_closed(take(stage, what, count), options.rows + options.since)
        pools.close()


if __name__ == "__main__":
    main()
