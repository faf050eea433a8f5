"""Features that can't be loaded, tables that can't be written, rows that are tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Good = Callable[..., dict[str, Any]]
FEATURES_OF_OLD = "def engineer(columns):\n    return {'income': columns['income']}\n"
SET = "SELECT failure, table_name, features FROM control.feature_sets WHERE digest = %s"


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ("def engineer(columns:", "pipelines/loans/features.py, line 1: '(' was never closed"),
        (
            "import numpy\n1 / 0",
            "pipelines/loans/features.py, line 2: ZeroDivisionError: division by zero",
        ),
        ("import sys\nsys.exit(3)", "pipelines/loans/features.py, line 2: SystemExit: 3"),
        ("engineer = 3", "pipelines/loans/features.py defines no function engineer(columns)"),
        (
            "def engineer(columns):\n    return {'x': columns['income'].sum()}",
            "feature x is a float64, not a NumPy array",
        ),
        (
            "def engineer(columns):\n    return {'paid': columns['income']}",
            "features.py: feature 'paid' has the name of the target",
        ),
    ],
)
def test_features_that_can_not_be_loaded_stop_only_themselves(
    scene: Any, good: Good, features: str, reason: str
) -> None:
    """The reason stands in the feature set for people; the other digests and pipelines go on."""
    old = scene.apply()
    scene.propose(old)
    broken = scene.apply(features)
    scene.serve([good()])
    scene.drain()

    assert reason in scene.rows(SET, broken)[0]["failure"]
    assert scene.rows(SET, broken)[0]["table_name"] is None
    assert 1 == len(scene.features(old))
    assert scene.rows(SET, old)[0]["failure"] is None


def test_the_commit_must_have_the_recorded_digest(scene: Any, good: Good) -> None:
    """Code at the recorded commit that is not the recorded code is refused.

    Once the right commit is recorded it is used.
    """
    scene.apply(FEATURES_OF_OLD)
    wrong = scene.rows("SELECT commit FROM control.pipelines")[0]["commit"]
    digest = scene.apply(commit=wrong)
    scene.serve([good()])
    worker = scene.worker()
    worker.step()

    assert "recorded was " + digest[:12] in scene.rows(SET, digest)[0]["failure"]
    scene.apply()
    scene.drain(worker)

    assert scene.rows(SET, digest)[0]["failure"] is None
    assert 1 == len(scene.features(digest))


def test_a_commit_that_is_not_there_is_told(scene: Any) -> None:
    """A recorded commit that the repository does not have is the reason that people read."""
    digest = scene.apply(commit="0" * 40)
    scene.worker().step()

    assert "no branch, tag or commit of that name" in scene.rows(SET, digest)[0]["failure"]


def test_more_features_than_postgres_can_hold_are_told(scene: Any, good: Good) -> None:
    """A table of 1,700 columns can't be made and that is a failure.

    Rows of 1,100 numbers are too long and that is their reason.
    """
    wide = "def engineer(columns):\n    return {f'f{n}': columns['income'] for n in range(%d)}\n"
    table, rows = scene.apply(wide % 1_700), scene.apply(wide % 1_100)
    scene.propose(table)
    scene.serve([good()], [good(income=None)])
    scene.drain()

    assert "features, and a table holds at most 1593" in scene.rows(SET, table)[0]["failure"]
    reasons = [row["reason"] for row in scene.quarantine(rows)]
    assert [True, True] == ["row is too big" in reasons[0], "is null" in reasons[1]]


def test_the_feature_set_says_what_it_gives(scene: Any) -> None:
    """When etl has made the table, the set holds its name and features, and readers may read it."""
    digest = scene.apply()
    scene.drain()

    (found,) = scene.rows(SET, digest)
    assert found["table_name"] == f"loans_{digest[:12]}"
    assert [
        {"name": "income", "dtype": "float64"},
        {"name": "city", "dtype": "string"},
        {"name": "heads", "dtype": "int64"},
        {"name": "member", "dtype": "bool"},
    ] == found["features"]
    scene.databases.catch_up()
    with scene.databases.connect("reader", "warehouse", standby=True) as connection:
        assert (0,) == connection.execute(
            f"SELECT count(*) FROM features.{found['table_name']}"
        ).fetchone()


def test_what_only_the_database_refuses_is_found_and_put_aside(scene: Any, good: Good) -> None:
    """A row that every check lets pass and PostgreSQL does not blocks nobody.

    After the cause is gone a redrive brings it in.
    """
    digest = scene.apply()
    scene.drain()
    table = scene.rows(SET, digest)[0]["table_name"]
    with scene.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.{table} ADD CONSTRAINT odd CHECK (income <> 13)")
    ids = scene.serve(
        *([good(income=13 if number in {7, 21} else number + 100)] for number in range(30))
    )
    worker = scene.worker(batch_requests=8)
    scene.drain(worker)

    entries = scene.quarantine(digest)
    assert [ids[7], ids[21]] == [row["request_id"] for row in entries]
    assert "violates check constraint" in entries[0]["reason"]
    assert {"raw": 30, "waiting": 0, "featured": 28, "quarantined": 2} == scene.balance(digest)
    _ask(scene)
    scene.drain(worker)

    assert [(None, None)] * 2 == [
        (row["resolved_at"], row["redrive_at"]) for row in scene.quarantine(digest)
    ]
    with scene.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.{table} DROP CONSTRAINT odd")
    _ask(scene)
    scene.drain(worker)

    assert {"raw": 30, "waiting": 0, "featured": 30, "quarantined": 0} == scene.balance(digest)
    assert ids == [str(row["request_id"]) for row in scene.features(digest)]


def test_of_an_import_only_the_rows_that_the_database_refuses_are_put_aside(
    scene: Any, good: Good
) -> None:
    """They lie in one request with others, which become feature rows with their labels."""
    digest = scene.apply()
    scene.drain()
    table = scene.rows(SET, digest)[0]["table_name"]
    with scene.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.{table} ADD CONSTRAINT odd CHECK (income <> 13)")
    incomes = [13 if number in {0, 7, 8, 99} else number + 100 for number in range(100)]
    incomes[50] = -1  # which our own checks find
    scene.bring(*(good(income=income, paid="yes") for income in incomes))
    scene.drain()

    entries = scene.quarantine(digest)
    assert [0, 7, 8, 50, 99] == [row["row"] for row in entries]
    assert [True, True, True, False, True] == ["violates" in row["reason"] for row in entries]
    assert [13, 13, 13, -1, 13] == [row["payload"]["income"] for row in entries]
    assert {"raw": 100, "waiting": 0, "featured": 95, "quarantined": 5} == scene.balance(digest)
    assert 95 == len(scene.labels())


def test_a_redriven_row_that_is_still_bad_gets_the_newest_reason(scene: Any, good: Good) -> None:
    """The entry stays, is no longer asked for, and says what is wrong now.

    Good rows of the same request are not touched.
    """
    digest = scene.apply()
    scene.serve([good(), good(income=-5)])
    scene.drain()
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute("UPDATE warehouse.quarantine SET reason = 'something older'")
    _ask(scene)
    scene.drain()

    (entry,) = scene.quarantine(digest)
    assert (1, "-5 is below 0", None) == (entry["row"], entry["reason"], entry["redrive_at"])
    assert {"raw": 2, "waiting": 0, "featured": 1, "quarantined": 1} == scene.balance(digest)


def test_a_wider_definition_takes_the_bad_rows_in(scene: Any, good: Good) -> None:
    """Rows that one definition quarantined become feature rows of the next, with labels."""
    strict = scene.apply()
    scene.bring(good(income=-5, paid="yes"))
    scene.drain()
    wide = scene.apply(columns=[{"name": "income", "dtype": "float64"}, *_columns()[1:]])
    scene.drain()

    assert ["-5 is below 0"] == [row["reason"] for row in scene.quarantine(strict)]
    assert [] == scene.quarantine(wide)
    assert [-5.0] == [row["income"] for row in scene.features(wide)]
    assert ["yes"] == [row["text"] for row in scene.labels()]


def test_a_redrive_of_a_request_that_is_gone_says_so(scene: Any, good: Good) -> None:
    """When the raw row was removed, the entry keeps what it knows of the row."""
    digest = scene.apply()
    scene.serve([good(income=-5)])
    scene.drain()
    with scene.databases.connect("owner", "raw") as connection:
        connection.execute("DELETE FROM raw.requests")
    _ask(scene)
    scene.drain()

    (entry,) = scene.quarantine(digest)
    assert "the request is not in the raw database any more" == entry["reason"]
    assert (
        -5,
        None,
        None,
    ) == (entry["payload"]["income"], entry["redrive_at"], entry["resolved_at"])


def test_a_table_that_can_not_be_written_stops_only_its_digest(scene: Any, good: Good) -> None:
    """A feature table that somebody dropped is a recorded failure.

    The other digest goes on, and so does this one when it is back.
    """
    first, second = scene.apply(), scene.apply(None)
    scene.propose(first)
    worker = scene.worker()
    scene.drain(worker)
    table = scene.rows(SET, first)[0]["table_name"]
    with scene.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.{table} RENAME TO away")
    scene.serve([good()])
    for _ in range(3):
        worker.step()

    assert 1 == len(scene.features(second))
    assert "can't be written" in scene.rows(SET, first)[0]["failure"]
    with scene.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.away RENAME TO {table}")
    for _ in range(3):
        worker.step()

    assert 1 == len(scene.features(first))
    assert scene.rows(SET, first)[0]["failure"] is None


def _ask(scene: Any) -> None:
    with scene.databases.connect("dataapi", "warehouse") as connection:
        connection.execute("UPDATE warehouse.quarantine SET redrive_at = now()")


def _columns() -> list[dict[str, Any]]:
    return [
        {"name": "income", "dtype": "float64", "min": 0, "max": 1000},
        {"name": "city", "dtype": "string", "nullable": True},
        {"name": "children", "dtype": "int64"},
        {"name": "member", "dtype": "bool"},
    ]
