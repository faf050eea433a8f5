"""Features that can't be loaded, tables that can't be written, rows that are tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Good = Callable[..., dict[str, Any]]
FEATURES_OF_OLD = "def engineer(columns):\n    return {'income': columns['income']}\n"
SET = "SELECT failure, table_name, features FROM control.feature_sets WHERE digest = %s"


@pytest.mark.parametrize(
    ("features", "told"),
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
    ],
)
def test_features_that_can_not_be_loaded_stop_only_themselves(
    road: Any, good: Good, features: str, told: str
) -> None:
    """The reason stands in the feature set for people; the other digests and pipelines go on."""
    old = road.apply()
    road.propose(old)
    broken = road.apply(features)
    road.serve([good()])
    road.drain()

    assert told in road.rows(SET, broken)[0]["failure"]
    assert road.rows(SET, broken)[0]["table_name"] is None
    assert len(road.features(old)) == 1
    assert road.rows(SET, old)[0]["failure"] is None


def test_the_commit_must_have_the_recorded_digest(road: Any, good: Good) -> None:
    """Code at the recorded commit that is not the recorded code is refused; once the right commit is recorded it is used."""
    road.apply(FEATURES_OF_OLD)
    wrong = road.rows("SELECT commit FROM control.pipelines")[0]["commit"]
    digest = road.apply(commit=wrong)
    road.serve([good()])
    worker = road.worker()
    worker.step()

    assert "recorded was " + digest[:12] in road.rows(SET, digest)[0]["failure"]
    road.apply()
    road.drain(worker)

    assert road.rows(SET, digest)[0]["failure"] is None
    assert len(road.features(digest)) == 1


def test_a_commit_that_is_not_there_is_told(road: Any) -> None:
    """A recorded commit that the repository does not have is the reason that people read."""
    digest = road.apply(commit="0" * 40)
    road.worker().step()

    assert "no branch, tag or commit of that name" in road.rows(SET, digest)[0]["failure"]


def test_more_features_than_postgres_can_hold_are_told(road: Any, good: Good) -> None:
    """A table of 1,700 columns can't be made and that is a failure; rows of 1,100 numbers are too long and that is their reason."""
    wide = "def engineer(columns):\n    return {f'f{n}': columns['income'] for n in range(%d)}\n"
    table, rows = road.apply(wide % 1_700), road.apply(wide % 1_100)
    road.propose(table)
    road.serve([good()], [good(income=None)])
    road.drain()

    assert "tables can have at most 1600 columns" in road.rows(SET, table)[0]["failure"]
    reasons = [row["reason"] for row in road.quarantine(rows)]
    assert ["row is too big" in reasons[0], "is null" in reasons[1]] == [True, True]


def test_the_feature_set_says_what_it_gives(road: Any) -> None:
    """When etl has made the table, the set holds its name and the typed features, and readers may select from it."""
    digest = road.apply()
    road.drain()

    (found,) = road.rows(SET, digest)
    assert found["table_name"] == f"loans_{digest[:12]}"
    assert found["features"] == [
        {"name": "income", "dtype": "float64"},
        {"name": "city", "dtype": "string"},
        {"name": "heads", "dtype": "int64"},
        {"name": "member", "dtype": "bool"},
    ]
    road.databases.catch_up()
    with road.databases.connect("reader", "warehouse", standby=True) as connection:
        assert connection.execute(
            f"SELECT count(*) FROM features.{found['table_name']}"
        ).fetchone() == (0,)


def test_what_only_the_database_refuses_is_found_and_put_aside(road: Any, good: Good) -> None:
    """A row that every check lets pass and PostgreSQL does not blocks nobody; after the cause is gone a redrive brings it in."""
    digest = road.apply()
    road.drain()
    table = road.rows(SET, digest)[0]["table_name"]
    with road.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.{table} ADD CONSTRAINT odd CHECK (income <> 13)")
    ids = road.serve(
        *([good(income=13 if number in {7, 21} else number + 100)] for number in range(30))
    )
    worker = road.worker(batch_requests=8)
    road.drain(worker)

    entries = road.quarantine(digest)
    assert [ids[7], ids[21]] == [row["request_id"] for row in entries]
    assert "violates check constraint" in entries[0]["reason"]
    assert road.balance(digest) == {"raw": 30, "waiting": 0, "featured": 28, "quarantined": 2}
    _ask(road)
    road.drain(worker)

    assert [(None, None)] * 2 == [
        (row["resolved_at"], row["redrive_at"]) for row in road.quarantine(digest)
    ]
    with road.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.{table} DROP CONSTRAINT odd")
    _ask(road)
    road.drain(worker)

    assert road.balance(digest) == {"raw": 30, "waiting": 0, "featured": 30, "quarantined": 0}
    assert ids == [str(row["request_id"]) for row in road.features(digest)]


def test_a_redriven_row_that_is_still_bad_gets_the_newest_reason(road: Any, good: Good) -> None:
    """The entry stays, is no longer asked for, and says what is wrong now; good rows of the same request are not touched."""
    digest = road.apply()
    road.serve([good(), good(income=-5)])
    road.drain()
    with road.databases.connect("owner", "warehouse") as connection:
        connection.execute("UPDATE warehouse.quarantine SET reason = 'something older'")
    _ask(road)
    road.drain()

    (entry,) = road.quarantine(digest)
    assert (entry["row"], entry["reason"], entry["redrive_at"]) == (1, "-5 is below 0", None)
    assert road.balance(digest) == {"raw": 2, "waiting": 0, "featured": 1, "quarantined": 1}


def test_a_wider_definition_takes_the_bad_rows_in(road: Any, good: Good) -> None:
    """Rows that one definition quarantined become feature rows under the next, by its backfill, with their labels."""
    strict = road.apply()
    road.bring(good(income=-5, paid="yes"))
    road.drain()
    wide = road.apply(columns=[{"name": "income", "dtype": "float64"}, *_columns()[1:]])
    road.drain()

    assert ["-5 is below 0"] == [row["reason"] for row in road.quarantine(strict)]
    assert road.quarantine(wide) == []
    assert [-5.0] == [row["income"] for row in road.features(wide)]
    assert ["yes"] == [row["text"] for row in road.rows("SELECT text FROM warehouse.labels")]


def test_a_redrive_of_a_request_that_is_gone_says_so(road: Any, good: Good) -> None:
    """When the raw row was removed, the entry keeps what it knows of the row."""
    digest = road.apply()
    road.serve([good(income=-5)])
    road.drain()
    with road.databases.connect("owner", "raw") as connection:
        connection.execute("DELETE FROM raw.requests")
    _ask(road)
    road.drain()

    (entry,) = road.quarantine(digest)
    assert entry["reason"] == "the request is not in the raw database any more"
    assert (entry["payload"]["income"], entry["redrive_at"], entry["resolved_at"]) == (
        -5,
        None,
        None,
    )


def test_a_table_that_can_not_be_written_stops_only_its_digest(road: Any, good: Good) -> None:
    """A feature table that somebody dropped is told as a failure; the other digest goes on, and so does this one when it is back."""
    first, second = road.apply(), road.apply(None)
    road.propose(first)
    worker = road.worker()
    road.drain(worker)
    table = road.rows(SET, first)[0]["table_name"]
    with road.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.{table} RENAME TO away")
    road.serve([good()])
    for _ in range(3):
        worker.step()

    assert len(road.features(second)) == 1
    assert "can't be written" in road.rows(SET, first)[0]["failure"]
    with road.databases.connect("etl", "warehouse") as connection:
        connection.execute(f"ALTER TABLE features.away RENAME TO {table}")
    for _ in range(3):
        worker.step()

    assert len(road.features(first)) == 1
    assert road.rows(SET, first)[0]["failure"] is None


def _ask(road: Any) -> None:
    with road.databases.connect("dataapi", "warehouse") as connection:
        connection.execute("UPDATE warehouse.quarantine SET redrive_at = now()")


def _columns() -> list[dict[str, Any]]:
    return [
        {"name": "income", "dtype": "float64", "min": 0, "max": 1000},
        {"name": "city", "dtype": "string", "nullable": True},
        {"name": "children", "dtype": "int64"},
        {"name": "member", "dtype": "bool"},
    ]
