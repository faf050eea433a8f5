"""Datasets from the standby: right rows, a receipt that can be had again, and refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.contracts.request import new_request_id
from mlplatform.database import dataset_contract, dataset_sql, pools
from mlplatform.database.arrow import ArrowSession
from mlplatform.database.datasets import DatasetStore
from mlplatform.errors import InvalidInput, Refused, StandbyUnproven, Unavailable, UnknownName

ALL = DatasetQuery()


def _read(datasets: DatasetStore, name: str, query: DatasetQuery = ALL) -> tuple[pa.Table, Receipt]:
    with datasets.open(name, query, caller="test") as read:
        table = pa.Table.from_batches(read.batches(), schema=read.schema)
        return table, read.finish()


def test_training_gives_features_and_labels_under_contract_names_and_types(warehouse) -> None:
    """A training dataset has the contract's columns and types, by request id, and a receipt."""
    ids = warehouse.add(10)
    table, receipt = _read(warehouse.datasets(), "churn.training")
    servers = warehouse.databases.cluster.servers

    assert [
        "request_id",
        "row",
        "event_time",
        "customer",
        "age",
        "city",
        "old",
        "left",
    ] == table.column_names
    assert [
        "string", "int64", "timestamp[us, tz=UTC]", "string", "double", "string", "bool", "bool",
    ] == [str(kind) for kind in table.schema.types]  # fmt: skip
    assert table["request_id"].to_pylist() == ids
    assert [False, True] * 5 == table["left"].to_pylist()
    assert [None, "Bonn 'ä'"] == table["city"].to_pylist()[:2]
    assert (receipt.server_role, receipt.server, receipt.rows) == (
        "standby",
        f"127.0.0.1:{servers.standby_port}",
        10,
    )
    assert (receipt.query.digest, receipt.query.as_of, receipt.timeline) == (
        "a" * 64,
        receipt.as_of,
        1,
    )


def test_the_same_mark_gives_the_same_hash_while_rows_and_corrections_come(warehouse) -> None:
    """A receipt's query gives its rows and hash again, whatever was added since.

    Without a mark the new rows show.
    """
    ids = warehouse.add(20)
    datasets = warehouse.datasets()
    _, first = _read(datasets, "churn.training")
    warehouse.add(5)
    warehouse.correct(ids[0], value=1)
    _, again = _read(datasets, "churn.training", first.query)
    table, newest = _read(datasets, "churn.training")

    assert (again.sha256, again.rows, again.as_of) == (first.sha256, 20, first.as_of)
    assert (25, True) == (newest.rows, table["left"][0].as_py())


def test_rows_without_label_are_features_but_no_training(warehouse) -> None:
    """Training holds labelled rows only; features holds all."""
    warehouse.add(3)
    warehouse.add(2, labelled=False)
    datasets = warehouse.datasets()

    assert 3 == _read(datasets, "churn.training")[1].rows
    assert 5 == _read(datasets, "churn.features")[1].rows
    assert [
        "request_id",
        "row",
        "labelled_at",
        "source",
        "left",
    ] == _read(datasets, "churn.labels")[0].column_names


def test_columns_window_and_limit(warehouse) -> None:
    """Columns come in the order asked for; the window is half open.

    A limit keeps the latest rows, in the order of request ids.
    """
    warehouse.add(10)
    datasets = warehouse.datasets()
    window = DatasetQuery(
        columns=("age", "row"),
        since=datetime(2026, 1, 3, tzinfo=UTC),
        until=datetime(2026, 1, 9, tzinfo=UTC),
    )
    whole, _ = _read(datasets, "churn.features", window)
    latest, _ = _read(datasets, "churn.features", window.model_copy(update={"limit": 2}))

    assert ["age", "row"] == whole.column_names
    assert [1.0, 1.5, 2.0, 2.5, 3.0, 3.5] == whole["age"].to_pylist()
    assert [3.0, 3.5] == latest["age"].to_pylist()


def test_an_empty_dataset_has_a_schema_and_a_receipt(warehouse) -> None:
    """No rows is an answer as well, with its proof."""
    table, receipt = _read(warehouse.datasets(), "churn.training")

    assert (0, 8, 0) == (table.num_rows, table.num_columns, receipt.rows)


def test_raw_requests_are_a_reproducible_dataset(warehouse) -> None:
    """Raw requests have marks of their own.

    An open transaction is above them, and a mark gives the same hash again.
    """
    insert = (
        "INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, log_offset, "
        "caller, received_at, rows, inputs) "
        "VALUES (%s, 'churn', 'serving', 't', 0, %s, 'c', now(), 1, %s)"
    )
    databases, datasets = warehouse.databases, warehouse.datasets()
    with databases.connect("consumer", "raw") as slow, databases.connect("consumer", "raw") as fast:
        slow.execute("BEGIN")
        slow.execute(insert, (new_request_id(), 1, json.dumps({"age": [1]})))
        for offset in (2, 3):
            fast.execute(insert, (new_request_id(), offset, json.dumps({"age": [offset]})))
        databases.catch_up()
        table, receipt = _read(datasets, "churn.requests")
        slow.execute("COMMIT")
    databases.catch_up()
    _, again = _read(datasets, "churn.requests", receipt.query)
    _, newest = _read(datasets, "churn.requests")

    assert ['{"age": [2]}', '{"age": [3]}'] == table["inputs"].to_pylist()
    assert (again.sha256, again.rows) == (receipt.sha256, 2)
    assert 3 == newest.rows


def test_a_mark_that_is_not_closed_here_is_refused(warehouse) -> None:
    """A mark above the standby's own is no smaller dataset but a reason to wait."""
    warehouse.add(1)
    datasets = warehouse.datasets()
    _, receipt = _read(datasets, "churn.training")

    with (
        pytest.raises(Unavailable, match="not closed") as refused,
        datasets.open("churn.training", DatasetQuery(as_of=receipt.as_of + 1), caller="t"),
    ):
        pass

    assert refused.value.retry_after_s > 0


@pytest.mark.parametrize(
    ("name", "query", "error", "field"),
    [
        ("churn.everything", ALL, UnknownName, "name"),
        ("nobody.training", ALL, UnknownName, "name"),
        ("churn.training", DatasetQuery(digest="b" * 64), UnknownName, "digest"),
        ("churn.labels", DatasetQuery(digest="a" * 64), InvalidInput, "digest"),
        (
            "churn.training",
            DatasetQuery(columns=("age", 'x" FROM control.ledger --')),
            InvalidInput,
            "columns",
        ),
        ("churn.training", DatasetQuery(columns=("age", "age")), InvalidInput, "columns"),
        ("churn.training", DatasetQuery(columns=()), InvalidInput, "columns"),
    ],
)
def test_what_the_contract_has_not_is_refused_by_name(
    warehouse, name: str, query: DatasetQuery, error: Any, field: str
) -> None:
    """Unknown names, digests and columns are refused, with the field, before anything is read."""
    with pytest.raises(error) as refused, warehouse.datasets().open(name, query, caller="t"):
        pass

    assert refused.value.field == field


def test_features_that_etl_has_not_made_are_awaited_or_refused(warehouse) -> None:
    """A new digest is "not yet"; one whose code can't be loaded is refused with etl's reason."""
    datasets, databases = warehouse.datasets(), warehouse.databases
    with databases.connect("dataapi", "warehouse") as connection:
        connection.execute(
            "INSERT INTO control.feature_sets (pipeline, digest, commit, definition, failure) "
            "SELECT pipeline, repeat('b', 64), commit, definition, NULL FROM control.feature_sets "
            "UNION ALL SELECT pipeline, repeat('c', 64), commit, definition, 'no engineer()' "
            "FROM control.feature_sets"
        )
    databases.catch_up()

    with (
        pytest.raises(Unavailable, match="not there yet"),
        datasets.open("churn.training", DatasetQuery(digest="b" * 64), caller="t"),
    ):
        pass
    with (
        pytest.raises(Refused, match="no engineer"),
        datasets.open("churn.training", DatasetQuery(digest="c" * 64), caller="t"),
    ):
        pass


def test_every_pipeline_has_four_datasets(warehouse) -> None:
    """The list names the four contracts of a pipeline with their columns."""
    found = {description.name: description for description in warehouse.datasets().list()}

    assert ["churn.training", "churn.features", "churn.labels", "churn.requests"] == list(found)
    assert ["bool", "bool"] == [column.dtype for column in found["churn.training"].columns][-2:]


def test_a_read_that_was_not_ended_has_no_receipt(warehouse) -> None:
    """Half a dataset is no dataset; leaving in the middle ends the session."""
    warehouse.add(2)
    with (
        warehouse.datasets().open("churn.training", ALL, caller="t") as read,
        pytest.raises(StandbyUnproven, match="not read to its end"),
    ):
        read.finish()

    with warehouse.databases.cluster.superuser(standby=True) as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dataset'"
        ).fetchone()[0]
        assert left in (0, 1)  # the server may need a moment to notice


def test_a_session_that_the_standby_ends_fails_the_whole_dataset(warehouse) -> None:
    """When the standby cancels a session, the read ends with Unavailable and without a receipt."""
    warehouse.add(1)
    with warehouse.databases.connect("etl", "warehouse") as connection:
        connection.execute(
            "INSERT INTO features.churn_a (request_id, row, batch, event_time, key, age, city, "
            "old) "
            "SELECT gen_random_uuid(), 0, 1, now(), 'k', 1, repeat('x', 200), true "
            "FROM generate_series(1, 60000)"
        )
    warehouse.databases.catch_up()
    with warehouse.datasets().open("churn.features", ALL, caller="t") as read:
        batches = read.batches()
        next(batches)
        with warehouse.databases.cluster.superuser(standby=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
                "application_name = 'dataset'"
            )
        with pytest.raises(Unavailable):
            list(batches)
        with pytest.raises(StandbyUnproven):
            read.finish()


def test_the_primary_refuses_a_dataset(warehouse) -> None:
    """Datasets that were given the primary's address get nothing, on any path."""
    datasets = warehouse.datasets(warehouse_dsn=warehouse.databases.dsn("reader", "warehouse"))

    with (
        pytest.raises(StandbyUnproven, match="refuses readers"),
        datasets.open("churn.training", ALL, caller="t"),
    ):
        pass


def test_the_reader_writes_nothing_even_if_it_turns_read_only_off(warehouse) -> None:
    """The standby is read only for everybody, and the reader has no right to write anywhere."""
    with (
        warehouse.databases.connect("reader", "warehouse", standby=True) as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute(
            "INSERT INTO control.receipts (id, dataset, receipt) VALUES ('x', 'x', '{}')"
        )


def test_a_feature_with_the_name_of_the_target_is_refused_and_hides_nothing_else(warehouse) -> None:
    """Two columns of one name make a dataset unreadable, with the name.

    The list still shows all contracts.
    """
    features = json.dumps([{"name": "left", "dtype": "float64"}])
    with warehouse.databases.connect("etl", "warehouse") as connection:
        connection.execute("UPDATE control.feature_sets SET features = %s", (features,))
    warehouse.databases.catch_up()
    datasets = warehouse.datasets()

    assert 4 == len(datasets.list())
    with (
        pytest.raises(Refused, match="two columns 'left'"),
        datasets.open("churn.training", ALL, caller="t"),
    ):
        pass


def test_a_dataset_may_take_as_long_as_its_reader(warehouse) -> None:
    """Its session has no bound of time, which would cut off slow readers; its link is watched."""
    settings = warehouse.databases.settings("dataapi")
    session = ArrowSession(
        pools.streaming_conninfo(settings.warehouse_replica_dsn, settings, name="dataset"),
        name="test",
    )
    names = (
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "tcp_keepalives_idle",
        "jit",
    )
    found = [session.row(f"SELECT current_setting('{name}')")[0] for name in names]
    session.close()

    assert ["0", "0", "10", "off"] == found


def test_labels_of_a_training_come_from_their_index_alone(warehouse) -> None:
    """Whatever order the labels came in, a training reads none of their pages."""
    warehouse.add(200)
    with warehouse.databases.connect("owner", "warehouse") as connection:
        connection.execute("VACUUM ANALYZE warehouse.labels")
    warehouse.databases.catch_up()
    with warehouse.databases.connect("reader", "warehouse", standby=True) as connection:
        source = dataset_contract.one(connection, "churn.training", None)
        statement = dataset_sql.statement(
            source, DatasetQuery(columns=("age", "left")), as_of=2**62
        )
        for way in ("seqscan", "bitmapscan", "hashjoin", "nestloop"):
            connection.execute(f"SET enable_{way} = off")
        plan = "\n".join(
            row[0] for row in connection.execute(f"EXPLAIN (COSTS OFF) {statement}").fetchall()
        )

    assert "Merge Left Join" in plan
    assert "Index Only Scan using labels_read" in plan
    assert "Sort" not in plan
