"""How fast a training dataset reaches a client of the data API, beside two usual ways.

    python tests/benchmarks/dataset_http.py [--rows 1000000] [--rounds 3]

All are measured in one run on the same rows. Ours is the whole way: the data API, in a process of
its own, reads the standby, hashes, compresses and sends; the client decodes, hashes again, fetches
the receipt and compares. The others read the standby directly and prove nothing. Compare ratios,
not seconds.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pyarrow as pa
from dataset_read import COLUMNS, FeatureTable, copy_csv, feature_table, measure, ours, pandas_sql
from pydantic import SecretStr

from mlplatform.access import digest
from mlplatform.client.dataapi import DataApi
from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.database import dataset_contract, dataset_sql
from mlplatform.errors import Unavailable

TOKEN = "benchmark"


@contextmanager
def data_api(table: FeatureTable) -> Iterator[DataApi]:
    """The data API as a child process, and a client of it."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), _free_port()
        (folder / "tokens.json").write_text(
            json.dumps({"tokens": [{"name": "bench", "roles": ["admin"], "sha256": digest(TOKEN)}]})
        )
        (folder / "trainer.json").write_text("{}")
        dsns = {
            field: value.get_secret_value()
            for field, value in table.settings
            if isinstance(value, SecretStr)
        }
        environment = {
            f"MLPLATFORM_POSTGRES__{field.upper()}": value for field, value in dsns.items()
        }
        environment |= {
            "MLPLATFORM_ACCESS__TOKENS_FILE": str(folder / "tokens.json"),
            "MLPLATFORM_CLUSTER__ENVIRONMENT_FILE": str(folder / "trainer.json"),
            "MLPLATFORM_DATAAPI__PORT": str(port),
        }
        server = subprocess.Popen([sys.executable, "-m", "mlplatform", "dataapi"], env=environment)
        try:
            with DataApi(f"http://127.0.0.1:{port}", SecretStr(TOKEN), timeout_s=120) as client:
                _await_ready(client, server)
                yield client
        finally:
            server.terminate()
            server.wait()


def over_http(client: DataApi, table: FeatureTable, query: DatasetQuery) -> Callable[[], pa.Table]:
    """The dataset as a trainer gets it."""
    return lambda: read_dataset(client, table.dataset, query).table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    query = DatasetQuery(columns=(*COLUMNS, "y"))
    with feature_table(options.rows) as table, data_api(table) as client:
        with psycopg.connect(table.reader_dsn.get_secret_value()) as connection:
            source = dataset_contract.one(connection, table.dataset, None)
            as_of = connection.execute("SELECT value FROM warehouse.mark").fetchone()[0]
        statement = dataset_sql.statement(source, query, as_of=as_of)
        ways = {
            "data API -> client, proven": over_http(client, table, query),
            "standby -> Arrow, proven (no HTTP)": ours(table, query),
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


def _await_ready(client: DataApi, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.ready()
        except Unavailable:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
