"""The balance from what a proof has kept: what counting all gives, or it says since when."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from proven_balance import NAME, TOPIC, Outbox, prove, quick, same
from retained import DAYS, age_records, closed, old_partition, past_id, run_all

from mlplatform.database import kept_balance
from mlplatform.database.kept_balance import NOTHING
from mlplatform.database.pools import PrimaryPool, ReplicaPool
from mlplatform.database.requests import RequestStore

TABLE = "SELECT table_name FROM control.feature_sets WHERE table_name IS NOT NULL"


@pytest.fixture
def outbox(api: Any) -> Iterator[Outbox]:
    """Of the data API's first raw server."""
    settings = api.databases.settings("consumer")
    pool = PrimaryPool(settings.raw_dsn, settings, name="consumer")
    yield Outbox(api, RequestStore(pool, topic=TOPIC))
    pool.close()


@contextmanager
def past_the_triggers(api: Any, database: str) -> Iterator[Any]:
    """What the owner of a server can do."""
    with api.databases.connect("postgres", database) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def test_only_what_came_since_is_counted_and_it_says_since_when(
    api: Any, outbox: Outbox, wait: Callable[..., Any]
) -> None:
    """A row that its server's owner deletes past the triggers is found by the next proof.

    By its number. Until then the balance is closed, as of the moment that it names.
    """
    outbox.store(*range(1, 8))
    api.send(NAME, [{"width": 1}, {"width": 2}, {"width": "wide"}])
    api.featurise(NAME)
    everything, began = quick(api), datetime.now(UTC)
    first = prove(api)
    outbox.store(8, 9)
    api.featurise(NAME)
    with past_the_triggers(api, "raw") as raw:
        raw.execute("DELETE FROM raw.requests WHERE sequence = 3")
    behind = quick(api)
    found = prove(api)
    after = quick(api)

    assert everything.proven_at < began < first.proven_at
    assert (first.proven_at, True, 9) == (
        behind.proven_at,
        closed(behind),
        behind.outboxes[0].stored,
    )
    assert [(outbox.id, "records", 9, 8, [(3, 3)])] == [
        (each.of, each.what, each.kept, each.found, each.numbers)
        for each in found.differences
        if each.what == "records"
    ]
    assert [[(3, 3)], [(3, 3)]] == [sheet.outboxes[0].missing for sheet in (found, after)]
    assert (found.proven_at, []) == (after.proven_at, after.differences)
    assert [{"differences": 2}] == [
        {"differences": len(entry["detail"]["differences"])}
        for entry in api.ledger(action="prove")[1:]
    ]


def test_what_is_deleted_otherwise_is_seen_at_once(api: Any, outbox: Outbox) -> None:
    """Requests, their numbers, and feature rows."""
    outbox.store(*range(1, 8))
    api.featurise(NAME)
    prove(api)
    for statement in (
        "DELETE FROM raw.requests WHERE sequence = 2",
        "UPDATE raw.requests SET sequence = 60 WHERE sequence = 5",
    ):
        with api.databases.connect("postgres", "raw") as raw:
            raw.execute(statement)
        seen = same(api)
    with api.databases.connect("postgres", "warehouse") as warehouse:
        (table,) = warehouse.execute(TABLE).fetchone()
        warehouse.execute(
            f"DELETE FROM features.{table} WHERE request_id = (SELECT min(request_id::text)::uuid "
            f"FROM features.{table})"
        )
    rows = same(api).rows[NAME]

    assert [(2, 2), (5, 5), (8, 59)] == seen.outboxes[0].missing
    assert 6 == rows.featured


def test_feature_rows_that_are_gone_are_told_by_the_proof(api: Any) -> None:
    """And rows of imports, which have no numbers: how many of which pipeline."""
    for _ in range(2):
        api.send(NAME, [{"width": 1}, {"width": 2}])
    api.featurise(NAME)
    prove(api)
    with past_the_triggers(api, "warehouse") as warehouse:
        (table,) = warehouse.execute(TABLE).fetchone()
        warehouse.execute(f"DELETE FROM features.{table} WHERE width = 1")
    with past_the_triggers(api, "raw") as raw:
        raw.execute(
            "DELETE FROM raw.requests WHERE log_offset = (SELECT max(log_offset) FROM raw.requests)"
        )
    behind, found = quick(api), prove(api)

    assert closed(behind)
    assert [(NAME, "feature rows", 4, 2), (NAME, "raw rows", 4, 2)] == [
        (each.of, each.what, each.kept, each.found) for each in found.differences
    ]


def test_a_feature_table_that_could_not_be_counted_on_is_counted(api: Any) -> None:
    """With rows above the mark, or made by an etl that did not have removals noted."""
    for name in (NAME, "auto-one"):
        api.send(name, [{"width": 1}, {"width": 2}])
        api.featurise(name)
    with api.databases.connect("postgres", "warehouse") as warehouse:
        tables = [name for (name,) in warehouse.execute(f"{TABLE} ORDER BY 1").fetchall()]
        warehouse.execute(f"UPDATE features.{tables[0]} SET batch = 9223372036854775807")
        warehouse.execute(f"DROP TRIGGER note_removal ON features.{tables[1]}")
    prove(api)
    with api.databases.connect("postgres", "warehouse") as warehouse:
        for table in tables:
            warehouse.execute(f"DELETE FROM features.{table} WHERE width = 1")
    rows = same(api).rows

    assert [1, 1] == [rows[name].featured for name in (NAME, "auto-one")]


def test_a_letter_that_is_deleted_is_missing_at_once(api: Any, outbox: Outbox) -> None:
    """Though its number lies below those that were proven: letters are always counted."""
    outbox.store(1, 2, 3, 5)
    outbox.store(4, refused=True)
    prove(api)
    outbox.store(6, 8)
    before = quick(api).outboxes[0].missing
    with api.databases.connect("postgres", "raw") as raw:
        raw.execute("DELETE FROM raw.dead_letters")

    assert [[(7, 7)], [(4, 4), (7, 7)]] == [before, same(api).outboxes[0].missing]


def test_letters_old_numbers_and_setbacks_are_counted(api: Any, outbox: Outbox) -> None:
    """A letter that becomes its row, a number used twice, records stored below the place."""
    outbox.store(1, 2, 3, 5, 6)
    outbox.store(4, 7, refused=True)
    prove(api)
    with api.client("admin") as client:
        letters = client.dead_letters()
        client.redrive_letters([letters[-1].id], why="tried again")
    redriven = same(api).outboxes[0]
    outbox.store(2)
    twice = same(api).outboxes[0]
    with api.databases.connect("owner", "raw") as raw:
        raw.execute("UPDATE raw.offsets SET next_offset = 0, last_offset = NULL")
    prove(api)
    outbox.store(8, 9, 11)
    back = same(api).outboxes[0]

    assert (6, 1, []) == (redriven.stored, redriven.dead_lettered, redriven.missing)
    assert (7, [(2, 2)], 1) == (twice.stored, twice.used_twice, twice.surplus)
    assert (10, [(10, 10)]) == (back.stored, back.missing)


def test_retention_and_forgetting_leave_it_right(api: Any, outbox: Outbox) -> None:
    """A month that is dropped as a whole, and rows of a person."""
    api.apply(NAME, retention=DAYS, key="person")
    month = old_partition(api, 400)
    for number in range(1, 9):
        outbox.store(number, request_id=past_id(400 if number < 5 else 1))
    api.featurise(NAME)
    age_records(api, 100)
    before = prove(api)
    removed = run_all(api)["requests"]
    after = same(api)
    with api.client("admin") as client:
        gone = client.forget(NAME, "anna", why="asked to")
    forgotten = same(api)

    assert [True, True, True] == [closed(each) for each in (before, after, forgotten)]
    assert ([month], 4) == (removed.names, removed.items)
    assert (8, 4) == (after.outboxes[0].stored, after.outboxes[0].removed)
    assert 4 == gone.rows
    assert (0, 4) == (forgotten.rows[NAME].featured, forgotten.rows[NAME].forgotten)


def test_a_proof_is_void_when_rows_went_while_it_was_written(api: Any, outbox: Outbox) -> None:
    """Also when it was taken of a standby whose history the primary does not share."""
    outbox.store(1, 2, 3)
    settings = api.databases.settings("dataapi")
    raw = PrimaryPool(settings.raw_dsn, settings, name="raw")
    replica = ReplicaPool(settings.raw_replica_dsn, settings, name="raw-replica")

    def held() -> kept_balance.KeptRaw:
        api.databases.catch_up()
        with replica.read() as read:
            return kept_balance.of_raw(read.connection)

    api.databases.catch_up()
    with replica.read() as read:
        proof = kept_balance.prove_raw(read, {outbox.id: 3}, datetime.now(UTC))
    with raw.transaction() as connection:
        other = kept_balance.CountedProof(proof.timeline + 1, proof.counted)
        foreign = kept_balance.keep_raw(connection, other)
    nothing = held()
    with raw.transaction() as connection:
        kept = kept_balance.keep_raw(connection, proof)
    something = held()
    with api.databases.connect("owner", "raw") as owner:
        owner.execute("DELETE FROM raw.requests WHERE sequence = 2")
    with raw.transaction() as connection:
        kept_balance.keep_raw(connection, proof)
    void = held()
    raw.close()
    replica.close()

    assert (False, NOTHING) == (foreign, nothing)
    assert (True, [3]) == (kept, [each.records for each in something.numbers])
    assert NOTHING == void


def test_where_more_came_since_than_is_quick_all_is_counted(
    api: Any, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so by its moment."""
    monkeypatch.setattr(kept_balance, "MOST_SINCE", 3)
    outbox.store(1, 2, 3, 4)
    proven = prove(api).proven_at
    outbox.store(5, 7)
    few = quick(api)
    outbox.store(6)
    many = quick(api)

    assert proven == few.proven_at < many.proven_at
    assert [[(6, 6)], []] == [sheet.outboxes[0].missing for sheet in (few, many)]


def test_what_etl_reads_again_waits_as_without_it(api: Any, outbox: Outbox) -> None:
    """Where etl is behind what was proven, all rows are counted."""
    outbox.store(*range(1, 5))
    prove(api)
    waiting = same(api).rows[NAME]
    api.featurise(NAME)
    outbox.store(5)
    passed = same(api).rows[NAME]
    with api.databases.connect("etl", "warehouse") as warehouse:
        warehouse.execute("UPDATE warehouse.progress SET next_offset = 1")
    again = same(api).rows[NAME]

    assert [(4, 0), (1, 4), (1, 4)] == [
        (each.waiting, each.featured) for each in (waiting, passed, again)
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_it_is_what_counting_all_gives(
    api: Any, outbox: Outbox, seed: int
) -> None:
    """Proofs at any moment, records in any order, gaps, repetitions, letters, removals."""
    chance = random.Random(seed)
    proofs = 0
    for _ in range(40):
        act = chance.randrange(10)
        some = [chance.randrange(1, 30) for _ in range(3)]
        if act < 4:
            outbox.store(*some)
        elif act == 4:
            outbox.store(some[0], refused=True)
        elif act == 5:
            api.send(NAME, [{"width": each} for each in some])
        elif act == 6:
            api.featurise(NAME)
        elif act == 7:
            _remove(api, some[0])
        elif act == 8:
            with api.client("admin") as client:
                client.redrive_letters(
                    [each.id for each in client.dead_letters()[:2]], why="tried again"
                )
        else:
            same(api)
            proofs += 1
        quick(api)
    same(api)

    assert proofs


def _remove(api: Any, number: int) -> None:
    """What retention does with one request."""
    with api.databases.connect("owner", "raw") as raw:
        raw.execute(
            "SELECT * FROM raw.note_removed('DELETE FROM raw.requests WHERE request_id = ANY($1) "
            "RETURNING pipeline, topic, partition, log_offset, outbox_id, sequence, rows, "
            "stored_at, 1::bigint AS size', ARRAY(SELECT request_id FROM raw.requests WHERE "
            "sequence = %s LIMIT 1), '[]')",
            (number,),
        )
