"""A git repository with a pipeline, raw rows as others write them, and etl itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from dulwich import porcelain
from held_labels import held_labels
from psycopg.rows import dict_row

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.request import new_request_id
from mlplatform.contracts.shards import FIRST
from mlplatform.dataapi.rows.record import Record
from mlplatform.dataapi.rows.requests import requests
from mlplatform.database import imports, pipelines
from mlplatform.database.pools import PrimaryPool
from mlplatform.etl.catalogue import Catalogue
from mlplatform.etl.redriving import Redriver
from mlplatform.etl.several import ShardWorkers
from mlplatform.etl.worker import Worker
from mlplatform.features.digest import features_digest
from mlplatform.settings import EtlSettings, PostgresSettings, SourceSettings

TOPIC = "mlplatform.requests"
DEFINITION: dict[str, Any] = {
    "name": "loans",
    "description": "Whether a loan will be paid back.",
    "task": "classification",
    "columns": [
        {"name": "income", "dtype": "float64", "min": 0, "max": 1000},
        {"name": "city", "dtype": "string", "nullable": True},
        {"name": "children", "dtype": "int64"},
        {"name": "member", "dtype": "bool"},
    ],
    "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
    "key": "loan",
    "time": "asked_at",
    "tuning": {"metric": "roc_auc"},
    "gates": [{"metric": "roc_auc", "min": 0.5}],
}
FEATURES = """
import numpy as np

def engineer(columns):
    if (columns["children"] < 0).any():
        raise ValueError("less than no children")
    return {
        "income": columns["income"],
        "city": columns["city"],
        "heads": columns["children"] + 1,
        "member": columns["member"],
    }
"""
RUN = (
    "from mlplatform import settings, telemetry; from mlplatform.etl.main import run; s = "
    "settings.load(); telemetry.configure(s.telemetry, process='etl'); run(s)"
)


@dataclass
class Scene:
    """Everything around etl in one test.

    Rows are `{"income": …, "city": …, "children": …, "member": …}`.
    """

    databases: Any
    repository: Path
    pools: list[PrimaryPool] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def apply(
        self, features: str | None = FEATURES, *, commit: str | None = None, **changes: Any
    ) -> str:
        """Commit the pipeline and record it as the data API does; returns the features digest.

        `commit` overrides the recorded one.
        """
        document = DEFINITION | changes
        folder = self.repository / "pipelines" / document["name"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pipeline.yaml").write_text(yaml.safe_dump(document))
        (folder / "model.py").write_text("def build(parameters):\n    raise NotImplementedError\n")
        (folder / "features.py").unlink(missing_ok=True)
        if features is not None:
            (folder / "features.py").write_text(features)
        porcelain.add(self.repository, [str(path) for path in folder.iterdir()])
        made = porcelain.commit(
            self.repository,
            message=b"change",
            all=True,
            author=b"A <a@example.org>",
            committer=b"A <a@example.org>",
        ).decode()
        definition = PipelineDefinition.parse(document)
        digest = features_digest(definition, None if features is None else features.encode())
        with self.databases.connect("dataapi", "warehouse") as connection, connection.transaction():
            pipelines.apply(
                connection, definition, commit=commit or made, digest=digest, caller="test"
            )
        return digest

    def propose(self, digest: str) -> None:
        """A model version of that digest that waits for its approval: its features stay in use."""
        columns = (
            "pipeline, version, state, run_id, artifacts, manifest_sha256, features_digest, "
            "commit, format, receipt_id"
        )
        with self.databases.connect("dataapi", "warehouse") as connection:
            query = (
                f"INSERT INTO control.model_versions ({columns}) VALUES ('loans', %s, "
                "'candidate', '', '', '', %s, '', '', '')"
            )
            connection.execute(query, (digest[:8], digest))

    def serve(
        self, *requests: Sequence[Mapping[str, Any]], partition: int = 0, pipeline: str = "loans"
    ) -> list[str]:
        """Requests as the consumer stores them, in one transaction; each is a list of rows.

        Returns their ids.
        """
        with self.stored(*requests, partition=partition, pipeline=pipeline) as ids:
            return ids

    @contextmanager
    def stored(
        self, *requests: Sequence[Mapping[str, Any]], partition: int = 0, pipeline: str = "loans"
    ) -> Iterator[list[str]]:
        """The same, committed only when the block ends."""
        place = (TOPIC, partition)
        ids = [new_request_id() for _ in requests]
        with self.databases.connect("owner", "raw") as connection, connection.transaction():
            connection.execute(
                "INSERT INTO raw.offsets VALUES (%s, %s, 0) ON CONFLICT DO NOTHING", place
            )
            query = (
                "SELECT next_offset FROM raw.offsets WHERE topic = %s AND partition = %s FOR UPDATE"
            )
            first = connection.execute(query, place).fetchone()[0]
            for offset, (request_id, rows) in enumerate(
                zip(ids, requests, strict=True), start=first
            ):
                columns = {name: [row.get(name) for row in rows] for name in rows[0]}
                insert_raw(
                    connection,
                    request_id,
                    pipeline,
                    place=place,
                    offset=offset,
                    rows=len(rows),
                    inputs=json.dumps(columns),
                )
            update = "UPDATE raw.offsets SET next_offset = %s WHERE topic = %s AND partition = %s"
            connection.execute(update, (first + len(ids), *place))
            yield ids

    def store_text(self, inputs: str, *, rows: int, offset: int) -> str:
        """One request with these bytes as its inputs."""
        request_id = new_request_id()
        with self.databases.connect("owner", "raw") as connection:
            connection.execute(
                "INSERT INTO raw.offsets VALUES (%s, %s, 0) ON CONFLICT DO NOTHING", (TOPIC, 0)
            )
            insert_raw(
                connection,
                request_id,
                "loans",
                place=(TOPIC, 0),
                offset=offset,
                rows=rows,
                inputs=inputs,
            )
        return request_id

    def bring(self, *rows: Mapping[str, Any], pipeline: str = "loans") -> None:
        """Rows of a history, as the data API stores an import."""
        records = [Record(number, row) for number, row in enumerate(rows, start=1)]
        with self.databases.connect("dataapi", "raw") as connection, connection.transaction():
            imports.store(connection, pipeline, list(requests(records)), caller="test")

    def worker(self, *, postgres: PostgresSettings | None = None, **settings: Any) -> ShardWorkers:
        """An etl in this process, whose steps the test makes."""
        postgres = postgres or self.databases.settings("etl")
        raw = PrimaryPool(postgres.raw_dsn, postgres, name="etl")
        warehouse = PrimaryPool(postgres.warehouse_dsn, postgres, name="etl")
        self.pools += [raw, warehouse]
        source = SourceSettings(url=str(self.repository), cache=self.repository.parent / "cache")
        made = EtlSettings(**settings)
        catalogue = Catalogue(raw, warehouse, source, retry_s=0.001, features_s=made.features_s)
        worker = Worker(raw, warehouse, catalogue, made)
        redriver = Redriver({FIRST: raw}, warehouse, catalogue, batch_rows=made.batch_rows)
        return ShardWorkers({FIRST: worker}, redriver, rest_s=0.0)

    def drain(self, worker: ShardWorkers | None = None, **settings: Any) -> None:
        """Steps until nothing is left."""
        worker = worker or self.worker(**settings)
        while worker.step():
            pass

    def spawn(self, log: Path, **settings: Any) -> subprocess.Popen[bytes]:
        """An etl process of its own."""
        postgres = self.databases.settings("etl")
        environment = {
            "PATH": os.environ["PATH"],
            "MLPLATFORM_POSTGRES__RAW_DSN": postgres.raw_dsn.get_secret_value(),
            "MLPLATFORM_POSTGRES__WAREHOUSE_DSN": postgres.warehouse_dsn.get_secret_value(),
            "MLPLATFORM_SOURCE__URL": str(self.repository),
            "MLPLATFORM_SOURCE__CACHE": str(self.repository.parent / "cache"),
            "MLPLATFORM_ETL__IDLE_S": "0.02",
        } | {f"MLPLATFORM_ETL__{name.upper()}": str(value) for name, value in settings.items()}
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", RUN], env=environment, stdout=output, stderr=output
            )
        self.processes.append(process)
        return process

    def rows(
        self, query: str, *parameters: Any, database: str = "warehouse", role: str = "dataapi"
    ) -> list[dict[str, Any]]:
        """What a query gives."""
        with (
            self.databases.connect(role, database) as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(query, parameters).fetchall()

    def features(self, digest: str, columns: str = "*") -> list[dict[str, Any]]:
        """The feature rows of a digest, without labels, in the order of their requests."""
        table = self.rows("SELECT table_name FROM control.feature_sets WHERE digest = %s", digest)[
            0
        ]["table_name"]
        found = self.rows(
            f"SELECT {columns} FROM features.{table} ORDER BY request_id, row", role="etl"
        )
        return [
            {name: value for name, value in row.items() if not name.startswith("__")}
            for row in found
        ]

    def labels(self) -> list[dict[str, Any]]:
        """The labels that hold now, in the order of their requests."""
        with self.databases.connect("owner", "warehouse") as connection:
            return held_labels(connection)

    def quarantine(self, digest: str) -> list[dict[str, Any]]:
        """What is in quarantine under a digest."""
        query = (
            "SELECT request_id::text, row, column_name, reason, payload, redrive_at, "
            "resolved_at FROM warehouse.quarantine WHERE digest = %s"
        )
        return self.rows(query + " ORDER BY request_id, row", digest)

    def balance(self, digest: str) -> dict[str, int]:
        """Rows by where they are, counted from the rows themselves."""
        query = (
            "SELECT sum(featured)::int AS featured, sum(quarantined)::int AS quarantined FROM "
            "warehouse.progress WHERE digest = %s"
        )
        counted = self.rows(query, digest)[0]
        places = self.rows(
            "SELECT topic, partition, next_offset FROM warehouse.progress WHERE digest = %s", digest
        )
        raw = self.rows(
            "SELECT topic, partition, log_offset, rows FROM raw.requests WHERE pipeline = 'loans'",
            database="raw",
        )
        passed = {(place["topic"], place["partition"]): place["next_offset"] for place in places}
        waiting = sum(
            item["rows"]
            for item in raw
            if item["log_offset"] >= passed.get((item["topic"], item["partition"]), 0)
        )
        tables = {
            "featured": len(self.features(digest)),
            "quarantined": sum(not row["resolved_at"] for row in self.quarantine(digest)),
        }
        assert counted == tables
        return {"raw": sum(item["rows"] for item in raw), "waiting": waiting} | tables


def insert_raw(
    connection: Any,
    request_id: str,
    pipeline: str,
    *,
    place: tuple[str, int],
    offset: int,
    rows: int,
    inputs: str,
) -> None:
    """One row of raw.requests."""
    connection.execute(
        "INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, log_offset, "
        "caller, received_at, rows, inputs) "
        "VALUES (%s, %s, 'serving', %s, %s, %s, 'client', %s, %s, %s)",
        (request_id, pipeline, *place, offset, datetime(2026, 3, 1, 12, tzinfo=UTC), rows, inputs),
    )


@pytest.fixture
def scene(databases: Any, tmp_path: Path) -> Iterator[Scene]:
    """A repository without a commit, and fresh databases."""
    repository = tmp_path / "repository"
    repository.mkdir()
    porcelain.init(repository)
    world = Scene(databases, repository)
    yield world
    for process in world.processes:
        process.kill()
        process.wait()
    for pool in world.pools:
        pool.close()


@pytest.fixture
def good() -> Callable[..., dict[str, Any]]:
    """Makes a row that is all right, with changes."""

    def row(**changes: Any) -> dict[str, Any]:
        return {"income": 30.5, "city": "Bonn", "children": 2, "member": True} | changes

    return row
