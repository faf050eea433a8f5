"""`mlplatform import --sql`: rows of somebody's own PostgreSQL, on a real data API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from slow_store import stored_slowly

from mlplatform.database.query_source import open_query
from mlplatform.errors import InvalidInput, PlatformError, SettingsError, Unavailable

ROWS = 400_000
HISTORY = "SELECT id::float8 AS width FROM history ORDER BY id"


@pytest.fixture(scope="module")
def shop(postgres: Any) -> str:
    """The address of a database that is not ours, with a table and a type."""
    with postgres.superuser() as server:
        server.execute("CREATE DATABASE shop")
    with postgres.superuser("shop") as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
        connection.execute(
            "CREATE TABLE history AS SELECT id::int, 'x' || id AS name FROM "
            f"generate_series(1, {ROWS}) AS id"
        )
    return str(postgres.servers.dsn("postgres", "shop").get_secret_value())


def command(api: Any, dsn: str, query: str, *words: str) -> subprocess.Popen[str]:
    """The command, with the password in the environment only."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    environment = {
        **os.environ,
        "MLPLATFORM_DATAAPI__URL": api.url,
        "MLPLATFORM_DATAAPI__TOKEN": api.token("writer"),
        "PGPASSWORD": str(parts.pop("password")),
    }
    address = psycopg.conninfo.make_conninfo(**parts)
    argv = ["import", "manual-one", "--sql", query, "--dsn", address, *words]
    return subprocess.Popen(
        [sys.executable, "-m", "mlplatform", *argv],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows_stored(api: Any) -> int:
    """How many, without reading them: an import takes seconds."""
    with api.databases.connect("dataapi", "raw") as connection:
        found = connection.execute("SELECT coalesce(sum(rows), 0) FROM raw.requests").fetchall()
    return int(found[0][0])


def stored(api: Any) -> list[float]:
    """The widths that are stored, in order."""
    with api.databases.connect("dataapi", "raw") as connection:
        found = connection.execute(
            "SELECT json_array_elements_text(inputs -> 'width')::float FROM raw.requests"
            " ORDER BY log_offset"
        ).fetchall()
    return [row[0] for row in found]


def test_after_ctrl_c_the_same_query_goes_on(api: Any, shop: str, wait: Any) -> None:
    """SIGINT ends it with how far it was; the second run stores the rest, and nothing twice."""
    with stored_slowly(api.databases), command(api, shop, HISTORY) as first:
        wait(lambda: rows_stored(api) > 20_000)
        first.send_signal(signal.SIGINT)
        said = first.communicate(timeout=60)[1]
    between = len(stored(api))
    with command(api, shop, HISTORY) as second:
        out, _ = second.communicate(timeout=240)

    assert 130 == first.returncode, said
    assert "rows; the same command goes on from there" in said
    assert 20_000 <= between < ROWS
    assert (0, f"{ROWS:,} rows accepted; etl will check them\n") == (second.returncode, out)
    assert [float(each) for each in range(1, ROWS + 1)] == stored(api)


def test_a_query_without_an_order_says_what_that_means(api: Any, shop: str) -> None:
    """It runs, and whoever may call it again is warned."""
    with command(api, shop, "SELECT 1.5 AS width;") as ended:
        out, said = ended.communicate(timeout=60)

    assert (0, "1 rows accepted; etl will check them\n") == (ended.returncode, out)
    assert said.startswith("note: without ORDER BY")
    assert [1.5] == stored(api)


def test_a_refused_query_is_one_line(api: Any, shop: str) -> None:
    """With the server's reason, and nothing of the address."""
    with command(api, shop, "SELECT wide FROM history ORDER BY id") as ended:
        _, said = ended.communicate(timeout=60)

    assert 1 == ended.returncode
    assert 'error: --sql: the database refuses the query: column "wide" does not exist' in said
    assert "Traceback" not in said


def rows(dsn: str, query: str) -> list[dict[str, Any]]:
    """What the query gives."""
    with open_query(dsn, query) as found:
        return [row for batch in found.batches for row in batch.to_pylist()]


def test_types_keep_their_values(shop: str) -> None:
    """Numbers of all widths, texts, flags, times with and without zone, and nulls."""
    query = """
        SELECT 1::int2 AS small, 2::int8 AS large, 1.5::float4 AS narrow,
          0.1::numeric(9, 2) AS price,
          9007199254740993::numeric(18, 0) AS whole, avg(x) AS mean, true AS flag, null AS nothing,
          'a'::char(3) AS short, 'b'::varchar(9) AS named, 'sad'::mood AS mood,
          '00000000-0000-0000-0000-000000000001'::uuid AS id, '2025-01-02'::date AS day,
          '2025-01-02 03:04:05.000006'::timestamp AS plain,
          '2025-01-02 03:04:05+02'::timestamptz AS zoned
        FROM (VALUES (1), (2)) AS pair (x) -- a comment at its end
    """
    (found,) = rows(shop, query)
    texts = [found[name] for name in ("short", "named", "mood", "id")]
    times = [found[name].isoformat() for name in ("day", "plain", "zoned")]

    assert [1, 2, 1.5, 0.1, 9007199254740993, 1.5, True, None] == [*found.values()][:8]
    assert ["a", "b", "sad", "00000000-0000-0000-0000-000000000001"] == texts
    assert ["2025-01-02", "2025-01-02T03:04:05.000006", "2025-01-02T01:04:05+00:00"] == times


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("ARRAY[1]", r"int4\[\] .*\"made\"::text"),
        ("'{}'::jsonb", "jsonb .*->> 'key'"),
        ("'1'::money", 'money .*"made"::numeric'),
        ("'a'::bytea", "bytea"),
        ("'1 day'::interval", "interval"),
        ("ROW(1, 2)", "record"),
    ],
)
def test_what_a_row_cannot_hold_is_refused_by_name(shop: str, column: str, said: str) -> None:
    """Before a row is read, with what to write in its place."""
    with pytest.raises(InvalidInput, match=f"made: a row can't hold the type {said}"):
        rows(shop, f"SELECT {column} AS made")


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO history VALUES (0, 'x') RETURNING id",
        "WITH more AS (INSERT INTO history VALUES (0, 'x') RETURNING id) SELECT * FROM more",
        "SELECT 1) AS query; DROP TABLE history; SELECT * FROM (SELECT 1",
        "SELECT 1; DROP TABLE history",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT 1 / (id - 5) AS broken FROM history",
        "SELECT 1 AS a, 2 AS a",
        "SELECT 99999999999999999999::numeric(20, 0) AS large",
        ";",
    ],
)
def test_only_a_query_that_reads_is_run(shop: str, query: str) -> None:
    """Whatever else it is, nothing changes, and the error is about --sql."""
    with pytest.raises(InvalidInput) as refused:
        rows(shop, query)

    assert "--sql" == refused.value.field
    assert [{"n": ROWS}] == rows(shop, "SELECT count(*) AS n FROM history")


@pytest.mark.parametrize(
    ("dsn", "kind"),
    [
        ("postgres//u:secret@h/x", SettingsError),
        ("postgresql://u:sec@secret@h/x", SettingsError),
        ("postgresql://u:secret/secret@h/x", SettingsError),
        ("foo=bar password=secret", SettingsError),
        ("host=127.0.0.1 port=1 user=u password=secret dbname=x", Unavailable),
        ("host=nowhere.invalid user=u password=secret dbname=x", Unavailable),
    ],
)
def test_no_password_is_printed(dsn: str, kind: type[PlatformError]) -> None:
    """A wrong address is named as such; none of its parts that could be secret is repeated."""
    with pytest.raises(kind) as refused:
        rows(dsn, "SELECT 1")

    assert "--dsn" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(refused.value.__cause__)


def test_a_wrong_password_says_so(shop: str) -> None:
    """The server's own words."""
    wrong = psycopg.conninfo.make_conninfo(shop, password="wrong")
    with pytest.raises(Unavailable, match="password authentication failed for user"):
        rows(wrong, "SELECT 1")


def test_the_reader_is_not_the_result(shop: str, tmp_path: Path) -> None:
    """Two million wide rows are read in less memory than they take."""
    script = tmp_path / "read.py"
    script.write_text(
        "import resource, sys\n"
        "from mlplatform.database.query_source import open_query\n"
        "with open_query(sys.argv[1], sys.argv[2]) as found:\n"
        "    first = next(found.batches).num_rows\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    rows = first + sum(batch.num_rows for batch in found.batches)\n"
        "print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    query = "SELECT x, repeat('y', 200) AS y FROM generate_series(1, 2000000) AS x"
    said = subprocess.run(
        [sys.executable, script, shop, query], capture_output=True, text=True, check=True
    ).stdout
    count, grown_kib = map(int, said.split())

    assert 2_000_000 == count
    assert grown_kib < 64 * 1024
