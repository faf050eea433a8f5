"""Least privilege: what each role may not do."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

REQUEST = """
INSERT INTO raw.requests
    (request_id, pipeline, source, topic, partition, log_offset, caller, received_at, rows, inputs)
VALUES (gen_random_uuid(), 'p', 'serving', 't', 0, 1, 'c', now(), 1, '{}')
"""
FORBIDDEN = [
    ("consumer", "raw", "SELECT inputs FROM raw.requests"),
    ("consumer", "raw", "DELETE FROM raw.requests"),
    ("consumer", "raw", "UPDATE raw.requests SET caller = 'x'"),
    ("consumer", "raw", "UPDATE raw.mark SET value = 1"),
    ("consumer", "raw", "SELECT * FROM raw.outboxes"),
    ("consumer", "raw", "CREATE TABLE raw.mine (a int)"),
    ("etl", "raw", REQUEST),
    ("etl", "raw", "UPDATE raw.offsets SET next_offset = 0"),
    ("etl", "raw", "SELECT raw.make_partitions(1)"),
    (
        "etl",
        "warehouse",
        (
            "INSERT INTO control.promotions (pipeline, version, action, state, by, why) VALUES "
            "('p', '1', 'promote', 'c', 'e', 'w')"
        ),
    ),
    ("etl", "warehouse", "UPDATE control.feature_sets SET commit = 'x'"),
    ("etl", "warehouse", "SELECT * FROM control.ledger"),
    ("etl", "warehouse", "CREATE TABLE warehouse.mine (a int)"),
    ("dataapi", "raw", "DELETE FROM raw.requests"),
    ("dataapi", "raw", "UPDATE raw.requests SET caller = 'x'"),
    ("dataapi", "warehouse", "UPDATE control.ledger SET caller = 'x'"),
    ("dataapi", "warehouse", "DELETE FROM control.ledger"),
    ("dataapi", "warehouse", "TRUNCATE control.ledger"),
    ("dataapi", "warehouse", "UPDATE control.promotions SET by = 'x'"),
    ("dataapi", "warehouse", "UPDATE control.receipts SET dataset = 'x'"),
    ("dataapi", "warehouse", "UPDATE control.model_versions SET manifest_sha256 = 'x'"),
    ("dataapi", "warehouse", "UPDATE control.model_versions SET artifacts = 'x'"),
    ("dataapi", "warehouse", "UPDATE warehouse.labels SET number = 1"),
    ("dataapi", "warehouse", "UPDATE warehouse.quarantine SET payload = '{}'"),
    ("dataapi", "raw", "INSERT INTO raw.offsets VALUES ('mlplatform.requests', 0, 5)"),
    ("consumer", "raw", "INSERT INTO raw.offsets VALUES ('import:p', 0, 5)"),
    ("consumer", "raw", "INSERT INTO raw.offsets VALUES ('redrive:t', 0, 5)"),
    ("consumer", "raw", "UPDATE raw.dead_letters SET resolved_at = now()"),
    ("dataapi", "raw", "UPDATE raw.dead_letters SET payload = ''"),
    ("dataapi", "raw", "DELETE FROM raw.dead_letters"),
    ("consumer", "raw", "UPDATE raw.shard SET name = 'raw-2'"),
    ("consumer", "raw", "SELECT inputs FROM raw.repeated"),
    ("consumer", "raw", "SELECT raw.hand_over('t', 0, 'raw-2')"),
    ("dataapi", "raw", "DELETE FROM raw.repeated"),
    ("dataapi", "raw", "UPDATE raw.horizons SET highest = 0"),
    ("dataapi", "warehouse", "UPDATE control.segments SET shard = 'raw'"),
    ("etl", "warehouse", "INSERT INTO control.segments VALUES ('t', 0, 1, 1, 'raw')"),
    ("etl", "warehouse", "UPDATE warehouse.labels SET text = 'x'"),
    ("etl", "warehouse", "SELECT manifest_sha256 FROM control.model_versions"),
    ("dataapi", "warehouse", "CREATE TABLE features.mine (a int)"),
    ("consumer", "raw", "SELECT raw.forget_rows('p', gen_random_uuid(), '{0}', 1)"),
    ("etl", "raw", "SELECT raw.forget_letters('{1}', 1)"),
    ("etl", "warehouse", "SELECT warehouse.forget_rows('p', '{}', '{}', '{}', 1)"),
    ("dataapi", "warehouse", "INSERT INTO control.forgotten_reads VALUES ('r', 1, 1)"),
    ("backup", "warehouse", "SELECT * FROM warehouse.labels"),
    ("backup", "warehouse", "UPDATE control.pipelines SET commit = 'x'"),
]
ALLOWED = [
    ("consumer", "raw", REQUEST),
    ("consumer", "raw", "SELECT request_id, log_offset FROM raw.requests"),
    ("consumer", "raw", "SELECT raw.make_partitions(3)"),
    ("etl", "raw", "SELECT inputs FROM raw.requests"),
    ("etl", "warehouse", "UPDATE control.feature_sets SET table_name = 'mine', failure = NULL"),
    ("dataapi", "raw", REQUEST),
    (
        "dataapi",
        "warehouse",
        (
            "INSERT INTO control.ledger (caller, action, subject, outcome) VALUES ('a', 'read', "
            "'b', 'ok')"
        ),
    ),
    ("dataapi", "warehouse", "UPDATE control.promotions SET mirrored_at = now()"),
    ("dataapi", "raw", "INSERT INTO raw.offsets VALUES ('import:p', 0, 5)"),
    ("dataapi", "raw", "INSERT INTO raw.offsets VALUES ('redrive:t', 0, 5)"),
    ("dataapi", "raw", "UPDATE raw.dead_letters SET resolved_at = now()"),
    ("dataapi", "raw", "SELECT raw.forget_rows('p', gen_random_uuid(), '{0}', 1)"),
    ("dataapi", "warehouse", "SELECT warehouse.forget_rows('p', '{}', '{}', '{}', 1)"),
    ("consumer", "raw", "INSERT INTO raw.offsets VALUES ('mlplatform.requests', 0, 5)"),
    ("backup", "warehouse", "SELECT * FROM control.ledger"),
]


def _run(cluster, role: str, database: str, statement: str) -> None:
    with psycopg.connect(cluster.servers.dsn(role, database).get_secret_value()) as connection:
        try:
            connection.execute(statement)
        finally:
            connection.rollback()


@pytest.mark.parametrize(("role", "database", "statement"), FORBIDDEN)
def test_a_role_may_not(postgres, role: str, database: str, statement: str) -> None:
    """The server refuses what a component has no business doing."""
    with pytest.raises(InsufficientPrivilege):
        _run(postgres, role, database, statement)


@pytest.mark.parametrize(("role", "database", "statement"), ALLOWED)
def test_a_role_may(postgres, role: str, database: str, statement: str) -> None:
    """The server allows what a component lives by."""
    _run(postgres, role, database, statement)

    assert "ready" == postgres.supervisor.status()["postgres-primary"].state


@pytest.mark.parametrize(
    ("role", "database"),
    [
        ("consumer", "warehouse"),
        ("backup", "raw"),
        ("mlflow", "raw"),
        ("mlflow", "warehouse"),
        ("consumer", "mlflow"),
        ("etl", "mlflow"),
        ("dataapi", "mlflow"),
    ],
)
def test_a_role_may_not_even_connect(postgres, role: str, database: str) -> None:
    """Each role gets into the databases it works on and no other."""
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        _run(postgres, role, database, "SELECT 1")


def test_offsets_of_the_queue_are_the_consumers(databases) -> None:
    """The data API can neither set the queue's offsets back nor forward, and still sees them.

    The same for the consumer and imports.
    """
    with (
        databases.connect("consumer", "raw") as consumer,
        databases.connect("dataapi", "raw") as dataapi,
    ):
        consumer.execute("INSERT INTO raw.offsets VALUES ('mlplatform.requests', 0, 5)")
        dataapi.execute("INSERT INTO raw.offsets VALUES ('import:p', 0, 5)")
        changed = [
            connection.execute("UPDATE raw.offsets SET next_offset = 9").rowcount
            for connection in (consumer, dataapi)
        ]
        seen = dataapi.execute(
            "SELECT topic, next_offset FROM raw.offsets ORDER BY topic"
        ).fetchall()

    assert [1, 1] == changed
    assert [("import:p", 9), ("mlplatform.requests", 9)] == seen


def test_readers_see_new_feature_tables_and_the_data_api_does_not(databases) -> None:
    """A table that etl makes later is readable on the standby at once, by the reader only."""
    with databases.connect("etl", "warehouse") as connection:
        connection.execute("CREATE TABLE features.mine (a int)")
    databases.catch_up()
    with databases.connect("reader", "warehouse", standby=True) as connection:
        rows = connection.execute("SELECT * FROM features.mine").fetchall()
    with (
        databases.connect("dataapi", "warehouse") as connection,
        pytest.raises(InsufficientPrivilege),
    ):
        connection.execute("SELECT * FROM features.mine")

    assert [] == rows


def test_backup_reads_tables_that_mlflow_makes_later(postgres) -> None:
    """MLflow makes its tables itself; the backup role may read them without another grant."""
    with psycopg.connect(
        postgres.servers.dsn("mlflow", "mlflow").get_secret_value(), autocommit=True
    ) as connection:
        connection.execute("CREATE TABLE later (a int)")
    with psycopg.connect(postgres.servers.dsn("backup", "mlflow").get_secret_value()) as connection:
        rows = connection.execute("SELECT * FROM later").fetchall()
    with psycopg.connect(
        postgres.servers.dsn("mlflow", "mlflow").get_secret_value(), autocommit=True
    ) as connection:
        connection.execute("DROP TABLE later")

    assert [] == rows


def test_no_password_stands_in_a_log_or_a_readable_file(postgres) -> None:
    """Passwords reach the server as verifiers, and its files are closed to others."""
    servers = postgres.servers
    logs = "".join(
        path.read_text(errors="replace") for path in (servers.folder.parent / "logs").glob("*.log")
    )
    configuration = servers.standby / "mlplatform.conf"

    assert not any(
        servers.dsn(role, "raw").get_secret_value().split(":")[2].split("@")[0] in logs
        for role in ("owner", "reader", "postgres")
    )
    assert (0, 0) == (configuration.stat().st_mode & 0o077, servers.standby.stat().st_mode & 0o077)
