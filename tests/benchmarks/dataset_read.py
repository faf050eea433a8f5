"""How fast a training dataset comes out of the standby, beside two usual ways, on the same rows.

    python tests/benchmarks/dataset_read.py [--rows 300000] [--rounds 3]

Ours (proof, snapshot, ADBC to Arrow batches, content hash, receipt) against `COPY (the same query)
TO STDOUT` as CSV, parsed by pyarrow, and against pandas.read_sql on SQLAlchemy. `feature_table` is
the stage on which other benchmarks of datasets can play as well.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.database import dataset_contract, dataset_sql
from mlplatform.database.datasets import DatasetStore
from mlplatform.database.pools import ReplicaPool
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers import binaries
from mlplatform.local.servers.postgres import LocalPostgres, new_passwords
from mlplatform.settings import PostgresSettings

PIPELINE, DIGEST, FEATURES = "bench", "b" * 64, 10
SENT = 0.1
"""The share of rows whose label a caller has sent; the others were imported with theirs."""
COLUMNS = tuple(f"f{number}" for number in range(FEATURES))


@dataclass(frozen=True)
class FeatureTable:
    """A pipeline with that many labelled feature rows, on a primary and its standby."""

    servers: LocalPostgres
    settings: PostgresSettings  # of the data API
    reader_dsn: SecretStr  # warehouse, on the standby
    dataset: str
    rows: int


@contextmanager
def feature_table(rows: int) -> Iterator[FeatureTable]:
    """Servers with a table (8 numbers, a whole number, a text) and its labels, on the standby too.

    All of it is removed at the end.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-bench-"))
    folder.chmod(0o711)
    ports = _free_ports()
    servers = LocalPostgres(
        folder / "postgres",
        binaries.find(None, copies=folder / "programs"),
        passwords=new_passwords(),
        primary_port=ports[0],
        standby_port=ports[1],
    )
    with Supervisor(
        [servers.primary_spec(), servers.standby_spec()], logs=folder / "logs"
    ) as supervisor:
        servers.prepare_primary()
        supervisor.start("postgres-primary")
        servers.provision()
        _fill(servers, rows)
        servers.prepare_standby()
        supervisor.start("postgres-standby")
        reader = servers.dsn("reader", "warehouse", standby=True)
        yield FeatureTable(
            servers, servers.settings("dataapi"), reader, f"{PIPELINE}.training", rows
        )
    shutil.rmtree(folder)


def ours(table: FeatureTable, query: DatasetQuery) -> Callable[[], pa.Table]:
    """The dataset as the data API reads it."""
    settings = table.settings
    datasets = DatasetStore(
        ReplicaPool(table.reader_dsn, settings, name="warehouse"),
        ReplicaPool(SecretStr(settings.raw_replica_dsn.get_secret_value()), settings, name="raw"),
    )

    def read() -> pa.Table:
        with datasets.open(table.dataset, query, caller="bench") as dataset:
            found = pa.Table.from_batches(dataset.batches(), schema=dataset.schema)
            dataset.finish()
            return found

    return read


def copy_csv(table: FeatureTable, statement: str) -> Callable[[], pa.Table]:
    """The same rows by COPY, parsed by pyarrow."""

    def read() -> pa.Table:
        buffer = io.BytesIO()
        with (
            psycopg.connect(table.reader_dsn.get_secret_value()) as connection,
            connection.cursor().copy(f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER)") as copy,
        ):
            for data in copy:
                buffer.write(data)
        buffer.seek(0)
        return pyarrow.csv.read_csv(buffer)

    return read


def pandas_sql(table: FeatureTable, statement: str) -> Callable[[], pd.DataFrame]:
    """The same rows by pandas and SQLAlchemy."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(table.reader_dsn.get_secret_value()),
    )

    def read() -> pd.DataFrame:
        with engine.connect() as connection:
            return pd.read_sql(text(statement.replace(":", r"\:")), connection)

    return read


def measure(
    ways: dict[str, Callable[[], pa.Table | pd.DataFrame]], *, rows: int, rounds: int
) -> dict[str, float]:
    """Median seconds of each way.

    They take turns, so that a busy moment of the machine hits all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, read in ways.items():
            start = time.perf_counter()
            found = read()
            times[name].append(time.perf_counter() - start)
            assert len(found) == rows, (len(found), rows)
    return {
        name: statistics.median(taken[1:]) for name, taken in times.items()
    }  # the first warms up


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    query = DatasetQuery(columns=(*COLUMNS, "y"))
    with feature_table(options.rows) as table:
        with psycopg.connect(table.reader_dsn.get_secret_value()) as connection:
            source = dataset_contract.one(connection, table.dataset, None)
            as_of = connection.execute("SELECT value FROM warehouse.mark").fetchone()[0]
        statement = dataset_sql.statement(source, query, as_of=as_of)
        ways = {
            "standby -> Arrow, proof, hash and receipt": ours(table, query),
            "COPY TO STDOUT, pyarrow.csv": copy_csv(table, statement),
            "pandas.read_sql, SQLAlchemy": pandas_sql(table, statement),
        }
        seconds = measure(ways, rows=options.rows, rounds=options.rounds)
    first = next(iter(seconds.values()))
    for name, took in seconds.items():
        print(
            f"{name:44} {took:7.3f} s  {options.rows / took / 1e6:5.2f} M rows/s  "
            f"{took / first:5.2f} x our time"
        )


def _fill(servers: LocalPostgres, rows: int) -> None:
    types = ["double precision"] * (FEATURES - 2) + ["bigint", "text"]
    dtypes = ["float64"] * (FEATURES - 2) + ["int64", "string"]
    values = [*["random() * 100"] * (FEATURES - 2), "i", "'category ' || i % 17"]
    definition = {
        "name": PIPELINE,
        "description": "Rows for a benchmark.",
        "task": "regression",
        "columns": [{"name": "x", "dtype": "float64"}],
        "target": {"name": "y", "dtype": "float64"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0}],
    }
    features = json.dumps(
        [{"name": name, "dtype": dtype} for name, dtype in zip(COLUMNS, dtypes, strict=True)]
    )
    declared = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, types, strict=True))
    with psycopg.connect(servers.dsn("dataapi", "warehouse").get_secret_value()) as connection:
        control = (PIPELINE, json.dumps(definition), DIGEST)
        connection.execute(
            "INSERT INTO control.pipelines VALUES (%s, %s, 'c', %s, now(), 'bench')", control
        )
        connection.execute(
            "INSERT INTO control.feature_sets (pipeline, digest, commit, definition) "
            "VALUES (%s, %s, 'c', %s)",
            (PIPELINE, DIGEST, json.dumps(definition)),
        )
    with psycopg.connect(
        servers.dsn("etl", "warehouse").get_secret_value(), autocommit=True
    ) as connection:
        connection.execute(
            "UPDATE control.feature_sets SET table_name = 'bench_b', features = %s", (features,)
        )
        connection.execute(
            "CREATE TABLE features.bench_b (request_id uuid NOT NULL, row integer NOT NULL, "
            "batch bigint NOT NULL, event_time timestamptz NOT NULL, "
            "__label_number double precision, key text, __label_text text, "
            f"{declared}, PRIMARY KEY (request_id, row))"
        )
        # Ids grow with time, as serving makes them, so that the key's order is nearly that of the
        # table.
        connection.execute(
            "WITH mark AS (SELECT warehouse.next_mark() AS value) INSERT INTO features.bench_b "
            "SELECT (lpad(to_hex(1700000000000 + i), 12, '0') || '7000' "
            "|| substr(md5(i::text), 1, 16))::uuid, 0, mark.value, "
            f"to_timestamp(1700000000 + i), random(), NULL, NULL, {', '.join(values)} "
            f"FROM mark, generate_series(1, {rows}) AS i"
        )
        # Of imported rows the label lies beside; what callers send comes as the truth becomes
        # known, in another order than the requests.
        connection.execute(
            "INSERT INTO warehouse.labels (pipeline, request_id, row, number, source, valid_from) "
            f"SELECT '{PIPELINE}', request_id, row, random(), 'feedback', batch "
            f"FROM features.bench_b WHERE random() < {SENT} ORDER BY random()"
        )
    with psycopg.connect(
        servers.dsn("postgres", "warehouse").get_secret_value(), autocommit=True
    ) as connection:
        connection.execute("VACUUM ANALYZE")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


if __name__ == "__main__":
    main()
