"""A pipeline with feature rows and labels, written the way etl writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from mlplatform.contracts.request import new_request_id
from mlplatform.database.datasets import DatasetStore
from mlplatform.database.pools import ReplicaPool

PIPELINE = "churn"
DIGEST = "a" * 64
DEFINITION = {
    "name": PIPELINE,
    "description": "Whether a customer leaves.",
    "task": "classification",
    "columns": [
        {"name": "age", "dtype": "float64"},
        {"name": "city", "dtype": "string", "nullable": True},
    ],
    "target": {"name": "left", "dtype": "bool"},
    "key": "customer",
    "tuning": {"metric": "roc_auc"},
    "gates": [{"metric": "roc_auc", "min": 0.5}],
}
FEATURES = [
    {"name": "age", "dtype": "float64"},
    {"name": "city", "dtype": "string"},
    {"name": "old", "dtype": "bool"},
]


@dataclass
class Warehouse:
    """The databases of one test, with the pipeline `churn` in them."""

    databases: Any

    def add(self, rows: int, *, labelled: bool = True) -> list[str]:
        """Feature rows with labels in one transaction; returns their request ids.

        The standby has them on return.
        """
        ids = [new_request_id() for _ in range(rows)]
        with self.databases.connect("etl", "warehouse") as connection, connection.transaction():
            mark = connection.execute("SELECT warehouse.next_mark()").fetchone()[0]
            for number, request_id in enumerate(ids):
                connection.execute(
                    "INSERT INTO features.churn_a (request_id, row, batch, event_time, key, "
                    "age, city, old) VALUES "
                    "(%s, 0, %s, '2026-01-01Z'::timestamptz + make_interval(days => %s), %s, "
                    "%s, %s, %s)",
                    (
                        request_id,
                        mark,
                        number,
                        f"c{number}",
                        number / 2,
                        None if number % 3 == 0 else "Bonn 'ä'",
                        number > 5,
                    ),
                )
                if labelled:
                    self.label(connection, request_id, value=number % 2, mark=mark)
        self.databases.catch_up()
        return ids

    def correct(self, request_id: str, *, value: int) -> None:
        """Close the label that holds and add another."""
        with self.databases.connect("dataapi", "warehouse") as connection, connection.transaction():
            mark = connection.execute("SELECT warehouse.next_mark()").fetchone()[0]
            connection.execute(
                "UPDATE warehouse.labels SET valid_to = %s WHERE request_id = %s AND valid_to "
                "= 9223372036854775807",
                (mark, request_id),
            )
            self.label(connection, request_id, value=value, mark=mark)
        self.databases.catch_up()

    def label(self, connection: Any, request_id: str, *, value: int, mark: int) -> None:
        """One label, valid from a mark on."""
        connection.execute(
            "INSERT INTO warehouse.labels (pipeline, request_id, row, number, source, "
            "valid_from) VALUES (%s, %s, 0, %s, 'import', %s)",
            (PIPELINE, request_id, value, mark),
        )

    def datasets(self, *, warehouse_dsn: Any = None, max_lag_bytes: int = 1 << 30) -> DatasetStore:
        """Datasets of the standby, or over another address."""
        settings = self.databases.settings("dataapi").model_copy(
            update={"max_lag_bytes": max_lag_bytes}
        )
        return DatasetStore(
            ReplicaPool(
                warehouse_dsn or settings.warehouse_replica_dsn, settings, name="warehouse"
            ),
            ReplicaPool(settings.raw_replica_dsn, settings, name="raw"),
        )


def apply_pipeline(databases: Any) -> Warehouse:
    """The pipeline's control facts and its feature table."""
    with databases.connect("dataapi", "warehouse") as connection:
        document = json.dumps(DEFINITION)
        connection.execute(
            "INSERT INTO control.pipelines VALUES (%s, %s, 'c', %s, now(), 'test')",
            (PIPELINE, document, DIGEST),
        )
        connection.execute(
            "INSERT INTO control.feature_sets VALUES (%s, %s, 'c', %s)",
            (PIPELINE, DIGEST, document),
        )
    return Warehouse(databases)


def make_table(databases: Any) -> None:
    """What etl does on first sight of a digest."""
    with databases.connect("etl", "warehouse") as connection:
        connection.execute(
            "CREATE TABLE features.churn_a (request_id uuid NOT NULL, row integer NOT NULL, "
            "batch bigint NOT NULL, event_time timestamptz NOT NULL, "
            "__label_number double precision, key text, __label_text text, "
            "age double precision, city text, old boolean, PRIMARY KEY (request_id, row))"
        )
        connection.execute(
            "UPDATE control.feature_sets SET table_name = 'churn_a', features = %s",
            (json.dumps(FEATURES),),
        )


@pytest.fixture
def warehouse(databases: Any) -> Warehouse:
    """A pipeline whose feature table is there, without rows."""
    found = apply_pipeline(databases)
    make_table(databases)
    databases.catch_up()
    return found
