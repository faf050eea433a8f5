"""Migrations, partitions and the write path of the schema."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.errors import ProgramLimitExceeded, SerializationFailure, UniqueViolation

from mlplatform.contracts.request import new_request_id
from mlplatform.database import migrate, roles
from mlplatform.database.feature_sets import OWN_COLUMNS

MIGRATE = """
import sys
from pydantic import SecretStr
from mlplatform.database.migrate import migrate
migrate(sys.argv[1], SecretStr(sys.stdin.read()))
"""


@pytest.fixture
def empty(postgres) -> Any:
    """Databases that were made but never migrated."""
    with postgres.superuser() as connection:
        for kind in ("raw", "warehouse"):
            roles.create_database(connection, f"empty_{kind}", kind)
        yield postgres
        for kind in ("raw", "warehouse"):
            connection.execute(f"DROP DATABASE empty_{kind} WITH (FORCE)")


@pytest.mark.parametrize("kind", ["raw", "warehouse"])
def test_four_processes_may_migrate_at_once(empty, kind: str) -> None:
    """One does the work, the others wait and find it done.

    None fails, and a fifth changes nothing.
    """
    dsn = empty.servers.dsn("owner", f"empty_{kind}")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, kind],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    ends = [process.communicate(dsn.get_secret_value(), timeout=120) for process in processes]
    migrate.migrate(kind, dsn)
    with empty.superuser(f"empty_{kind}") as connection:
        versions = connection.execute("SELECT version_num FROM public.alembic_version").fetchall()

    assert [(0, False)] * 4 == [
        (process.returncode, "Traceback" in err)
        for process, (_, err) in zip(processes, ends, strict=True)
    ]
    assert versions == [(migrate.head(kind),)]


@pytest.mark.parametrize("kind", ["raw", "warehouse"])
def test_a_newer_schema_is_left_alone(databases, kind: str) -> None:
    """Code that was rolled back starts on the schema of its successor.

    It migrates nothing, and takes no right back or gives one.
    """
    with databases.connect("owner", kind) as owner:
        owner.execute("UPDATE public.alembic_version SET version_num = '9999'")
        owner.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {kind} FROM mlplatform_reader")
        migrate.migrate(kind, databases.dsn("owner", kind))
        versions = owner.execute("SELECT version_num FROM public.alembic_version").fetchall()
        table = {"raw": "raw.requests", "warehouse": "warehouse.labels"}[kind]
        granted = owner.execute(
            "SELECT has_table_privilege('mlplatform_reader', %s, 'SELECT')", (table,)
        ).fetchone()

    assert ([("9999",)], (False,)) == (versions, granted)


def test_labels_of_an_earlier_version_come_through(empty, monkeypatch: Any) -> None:
    """With one index instead of two every label is there, and none can be added twice."""
    dsn, upgrade = empty.servers.dsn("owner", "empty_warehouse"), migrate.command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(migrate.command, "upgrade", lambda config, _: upgrade(config, "0008"))
        patch.setattr(migrate.roles, "grant", lambda *_: None)  # of what comes later, too
        migrate.migrate("warehouse", dsn)
    add = (
        "INSERT INTO warehouse.labels (pipeline, request_id, row, number, source, valid_from) "
        "VALUES ('p', '01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11', %s, 1.5, 'import', 7)"
    )
    with empty.superuser("empty_warehouse") as connection:
        for row in range(3):
            connection.execute(add, (row,))
    migrate.migrate("warehouse", dsn)
    with empty.superuser("empty_warehouse") as connection:
        with pytest.raises(UniqueViolation):
            connection.execute(add, (0,))
        found = connection.execute("SELECT row, number FROM warehouse.labels").fetchall()
        indexes = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'labels'"
        ).fetchall()

    assert [(0, 1.5), (1, 1.5), (2, 1.5)] == sorted(found)
    assert [("labels_read",)] == indexes


def test_a_migration_that_fails_leaves_nothing(empty) -> None:
    """All of it is one transaction: when a step can't be done, not even its first table stays."""
    with empty.superuser("empty_raw") as connection:
        connection.execute("ALTER ROLE mlplatform_reader RENAME TO hidden")
        try:
            with pytest.raises(Exception, match="mlplatform_reader"):
                migrate.migrate("raw", empty.servers.dsn("owner", "empty_raw"))
        finally:
            connection.execute("ALTER ROLE hidden RENAME TO mlplatform_reader")
            roles.set_password(
                connection, "mlplatform_reader", empty.servers.password("mlplatform_reader")
            )
        found = connection.execute(
            "SELECT to_regclass('raw.requests'), to_regclass('public.alembic_version')"
        ).fetchone()

    assert (None, None) == found


def _insert(connection: Any, request_id: str, offset: int) -> None:
    connection.execute(
        "INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, log_offset, "
        "caller, received_at, rows, inputs) "
        "VALUES (%s, 'p', 'serving', 't', 0, %s, 'c', now(), 1, '{}')",
        (request_id, offset),
    )


def _at(moment: datetime) -> str:
    """A request id of that moment."""
    return str(UUID(f"{int(moment.timestamp() * 1000):012x}" + "7" + "0" * 3 + "8" + "1" * 15))


def test_requests_lie_in_the_partition_of_their_month(databases) -> None:
    """Ids carry their time.

    The row of now lies in this month's partition, made by the migration.
    """
    with databases.connect("owner", "raw") as connection:
        _insert(connection, new_request_id(), 1)
        place = connection.execute("SELECT tableoid::regclass::text FROM raw.requests").fetchone()

    assert place == (f"raw.requests_{datetime.now(UTC):%Y%m}",)


def test_a_partition_made_late_takes_its_rows_out_of_the_default_one(databases) -> None:
    """A month without partition loses nothing.

    Rows wait in the default one and move when theirs is made; borders are exact.
    """
    first = (
        datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        + timedelta(days=32 * 6)
    ).replace(day=1)
    moments = [first - timedelta(milliseconds=1), first, first + timedelta(days=3)]
    with databases.connect("owner", "raw") as connection:
        for offset, moment in enumerate(moments):
            _insert(connection, _at(moment), offset)
        before = connection.execute(
            "SELECT DISTINCT tableoid::regclass::text FROM raw.requests"
        ).fetchall()
        made = connection.execute("SELECT raw.make_partitions(7)").fetchone()
        again = connection.execute("SELECT raw.make_partitions(7)").fetchone()
        after = connection.execute(
            "SELECT tableoid::regclass::text FROM raw.requests ORDER BY log_offset"
        ).fetchall()

    assert ([("raw.requests_default",)], True, (0,)) == (before, made[0] > 0, again)
    assert after == [
        (f"raw.requests_{moments[0]:%Y%m}",),
        (f"raw.requests_{first:%Y%m}",),
        (f"raw.requests_{first:%Y%m}",),
    ]


def test_rows_copied_twice_are_stored_once(databases) -> None:
    """The fast write path: COPY into a temporary table, then insert what is new.

    A batch sent again changes nothing.
    """
    rows = [(new_request_id(), offset) for offset in range(500)]
    with databases.connect("consumer", "raw") as connection:
        counts = [_copy(connection, rows) for _ in range(2)]
        stored = connection.execute("SELECT count(request_id) FROM raw.requests").fetchone()
    with databases.connect("owner", "raw") as connection:
        marks = connection.execute("SELECT count(*) FROM raw.batches WHERE mark IS NULL").fetchone()

    assert ([500, 0], (500,), (0,)) == (counts, stored, marks)


INCOMING = """
CREATE TEMPORARY TABLE incoming (
    request_id uuid, pipeline text, source text, topic text, partition integer,
    log_offset bigint, caller text,
    received_at timestamptz, rows integer, inputs json
) ON COMMIT DROP
"""


def _copy(connection: Any, rows: list[tuple[str, int]]) -> int:
    columns = (
        "request_id, pipeline, source, topic, partition, log_offset, caller, received_at, "
        "rows, inputs"
    )
    with connection.transaction():
        connection.execute(INCOMING)
        with connection.cursor().copy(f"COPY incoming ({columns}) FROM STDIN") as copy:
            for request_id, offset in rows:
                copy.write_row(
                    (request_id, "p", "serving", "t", 0, offset, "c", datetime.now(UTC), 1, "{}")
                )
        return connection.execute(
            f"INSERT INTO raw.requests ({columns}) SELECT {columns} FROM incoming ON CONFLICT "
            "(request_id) DO NOTHING"
        ).rowcount


def test_a_transaction_id_from_before_a_restore_is_not_taken_for_it(databases) -> None:
    """In a server filled from a dump ids begin anew.

    A batch under one that has a mark is refused, and the next one gets through.
    """
    with databases.connect("owner", "raw") as connection:
        (now,) = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        connection.execute(
            "INSERT INTO raw.batches (xact) SELECT generate_series(%s::bigint, %s::bigint)",
            (now + 2, now + 9),
        )
        with pytest.raises(SerializationFailure, match="before this database was restored"):
            _insert(connection, new_request_id(), 1)
        for _ in range(50):
            try:
                _insert(connection, new_request_id(), 1)
            except SerializationFailure:
                continue
            break
        stored = connection.execute(
            "SELECT count(*) FROM raw.requests JOIN raw.batches USING (xact) WHERE mark IS NOT NULL"
        ).fetchone()

    assert (1,) == stored


def test_marks_commit_in_their_order(databases) -> None:
    """Two writers of the warehouse can't commit marks out of order.

    The second waits for the first.
    """
    with (
        databases.connect("etl", "warehouse") as first,
        databases.connect("dataapi", "warehouse") as second,
    ):
        first.execute("BEGIN")
        one = first.execute("SELECT warehouse.next_mark()").fetchone()[0]
        second.execute("SET lock_timeout = '100ms'")
        with pytest.raises(Exception, match="lock timeout"):
            second.execute("SELECT warehouse.next_mark()")
        first.execute("COMMIT")
        two = second.execute("SELECT warehouse.next_mark()").fetchone()[0]

    assert two > one > 1_700_000_000_000_000


def test_a_row_of_features_has_the_room_that_an_apply_counts_on(postgres) -> None:
    """995 numbers without a null fit beside the table's own columns, and 996 don't."""
    values = "gen_random_uuid(), 0, 1, now(), 1, NULL, NULL"
    with postgres.superuser() as connection:
        for count in (995, 996):
            typed = ", ".join(f"f{n} double precision" for n in range(count))
            connection.execute(f"CREATE TEMP TABLE wide_{count} ({OWN_COLUMNS}, {typed})")
        connection.execute(f"INSERT INTO wide_995 VALUES ({values}{', 1' * 995})")
        with pytest.raises(ProgramLimitExceeded, match="row is too big"):
            connection.execute(f"INSERT INTO wide_996 VALUES ({values}{', 1' * 996})")


def test_dead_letters_of_an_older_stack_come_through(empty) -> None:
    """Each gets an id, its kind, and the pipeline that its record names."""
    dsn = empty.servers.dsn("owner", "empty_raw")
    letters = [
        ('{"kind":"oversize","pipeline":"loans"}', "the record of 9 bytes is too large"),
        ("\\xff00", "not a request record"),
        ('{"kind":"request","pipeline":"loans"}', "the database refuses a record: no"),
    ]
    with empty.superuser("empty_raw") as connection:
        _upgrade(dsn, "0006")
        for place, (payload, reason) in enumerate(letters):
            connection.execute(
                "INSERT INTO raw.dead_letters (topic, partition, log_offset, reason, payload)"
                " VALUES ('t', 0, %s, %s, %s::bytea)",
                (place, reason, payload),
            )
        migrate.migrate("raw", dsn)
        found = connection.execute(
            "SELECT id, kind, pipeline FROM raw.dead_letters ORDER BY log_offset"
        ).fetchall()

    assert [(1, "oversize", "loans"), (2, "unreadable", None), (3, "refused", "loans")] == found


def _upgrade(dsn: Any, version: str) -> None:
    """The raw database as an earlier version made it."""
    engine = migrate.create_engine(
        migrate.DIALECT, creator=lambda: migrate._connect(dsn), poolclass=migrate.NullPool
    )
    config = migrate.configuration("raw")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        migrate.command.upgrade(config, version)
