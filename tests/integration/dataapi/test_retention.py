"""Retention on real databases: what is past its days goes, and nothing that is needed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from retained import (
    DAYS,
    NAMES,
    age_records,
    balance_sheet,
    closed,
    counts,
    old_partition,
    past_id,
    read_training,
    run_all,
    version,
)

from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.dataapi import removals
from mlplatform.errors import Forbidden, InvalidInput, Refused

_numbers: dict[str, int] = {}  # the last one of each outbox


def _store(api: Any, outbox: str, ages: Sequence[float], *, pipeline: str = NAMES[0]) -> None:
    """Store requests of two rows (a good and a bad one in every third), of these ages in days."""
    with api.databases.connect("consumer", "raw") as raw:
        (next_offset,) = raw.execute(
            "SELECT coalesce(max(next_offset), 0) FROM raw.offsets WHERE topic = 'requests'"
        ).fetchone()
        first = _numbers.get(outbox, 0)
        _numbers[outbox] = first + len(ages)
        for number, age in enumerate(ages):
            widths = [1.5, None if number % 3 == 0 else float(number)]
            inputs = {"width": widths, "kind": ["rose", "daisy"]}
            raw.execute(
                "INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, "
                "log_offset, outbox_id, sequence, version, caller, received_at, rows, inputs, "
                "outputs) VALUES (%s, %s, 'serving', 'requests', 0, %s, %s, %s, '1', 'c', "
                "now() - make_interval(secs => %s), 2, %s, '{}')",
                (
                    past_id(age),
                    pipeline,
                    next_offset + number,
                    outbox,
                    first + number + 1,
                    age * 86_400,
                    json.dumps(inputs),
                ),
            )
        raw.execute(
            "INSERT INTO raw.offsets (topic, partition, next_offset) VALUES ('requests', 0, %s) "
            "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
            (next_offset + len(ages),),
        )


@pytest.fixture
def old(api: Any) -> Any:
    """Both pipelines with requests of 1 to 400 days, features made of all, and 30 days said."""
    for name in NAMES:
        api.apply(name, retention=DAYS)
    for name in NAMES:
        _store(api, str(uuid4()), [400, 100, 100.5, 60, 20, 1, 0.5], pipeline=name)
    for name in NAMES:
        api.featurise(name)
    age_records(api, 100)
    return api


def test_the_balance_stays_closed_and_a_dry_run_names_what_a_run_removes(old: Any) -> None:
    """Removed requests count as stored and removed rows as dealt with; a second run finds none."""
    before = balance_sheet(old)
    said = run_all(old, dry_run=True)
    untouched = balance_sheet(old)
    done = run_all(old)
    after = balance_sheet(old)
    again = run_all(old)

    assert (8, 16) == (done["requests"].items, done["requests"].rows)
    assert counts(said) == counts(done)
    assert {} == counts(again)
    assert before == untouched.model_copy(update={"proven_at": before.proven_at})
    assert [True, True] == [closed(before), closed(after)]
    for name in NAMES:
        line = after.rows[name]
        assert (6, 8) == (line.raw, line.removed)
        assert before.rows[name].raw == line.raw + line.removed
    assert before.requests == after.requests
    assert [(7, 4), (7, 4)] == [(each.stored, each.removed) for each in after.outboxes]


def test_a_whole_month_goes_as_a_partition(api: Any) -> None:
    """It is dropped with its rows; one with a row that must stay is emptied row by row."""
    api.apply(NAMES[0], retention=DAYS)
    api.apply(NAMES[1], retention={**DAYS, "requests": 3650})
    whole, mixed = old_partition(api, 400), old_partition(api, 200)
    _store(api, str(uuid4()), [400, 200, 1])
    _store(api, str(uuid4()), [200, 1], pipeline=NAMES[1])
    for name in NAMES:
        api.featurise(name)
    said = run_all(api, dry_run=True)["requests"]
    done = run_all(api)["requests"]
    with api.databases.connect("owner", "raw") as raw:
        left = raw.execute(
            "SELECT to_regclass('raw.' || %s)::text, (SELECT count(*) FROM raw.requests)", (whole,)
        ).fetchone()

    assert [[whole], [whole]] == [said.names, done.names]
    assert {NAMES[0]: 2} == said.by_pipeline == done.by_pipeline
    assert (None, 3) == left
    assert mixed not in done.names
    assert closed(balance_sheet(api))


def test_requests_that_etl_has_not_passed_stay(api: Any) -> None:
    """Also when a digest in use is not there yet; of a pipeline that nobody applied they go."""
    api.apply(NAMES[0], retention=DAYS)
    _store(api, str(uuid4()), [2_000, 1_500])
    _store(api, str(uuid4()), [2_000], pipeline="never-applied")
    said, done = run_all(api, dry_run=True)["requests"], run_all(api)["requests"]
    left = balance_sheet(api)
    api.featurise(NAMES[0])
    then = run_all(api)["requests"]

    assert {removals.WAITING: 2} == said.kept
    assert {"never-applied": 1} == done.by_pipeline
    assert (4, 4) == (left.rows[NAMES[0]].raw, left.rows[NAMES[0]].waiting)
    assert {NAMES[0]: 2} == then.by_pipeline
    assert closed(balance_sheet(api))


def test_a_held_pipeline_loses_nothing(old: Any) -> None:
    """A hold is entered with its reason; after its release the next run removes."""
    with old.client("admin") as client:
        client.hold(NAMES[0], why="case 7")
        with pytest.raises(Refused):
            client.hold(NAMES[0], why="again")
        plan = client.retention_plan()
    held = run_all(old)
    with old.client("admin") as client:
        client.release_hold(NAMES[0], why="closed")
        with pytest.raises(Refused):
            client.release_hold(NAMES[0], why="again")
    free = run_all(old)

    assert [(NAMES[0], "case 7", "admin")] == [(h.pipeline, h.why, h.by) for h in plan.holds]
    assert {NAMES[1]: 4} == held["requests"].by_pipeline
    assert "case 7" == held[f"{NAMES[0]}.labels"].held
    assert {NAMES[0]: 4} == free["requests"].by_pipeline
    assert [("hold", "case 7"), ("release", "closed")] == [
        (entry["action"], entry["detail"]["why"])
        for entry in old.ledger(subject=NAMES[0], outcome="ok")
        if entry["action"] in ("hold", "release")
    ]


def test_a_removal_is_entered_before_and_after(old: Any) -> None:
    """The ledger has what went, in numbers; a dry run is a view."""
    run_all(old, dry_run=True)
    run_all(old)
    entries = old.ledger(subject="requests")

    assert [("view", "ok"), ("remove", "opened"), ("remove", "ok")] == [
        (entry["action"], entry["outcome"]) for entry in entries
    ]
    assert (8, {NAMES[0]: 4, NAMES[1]: 4}) == (
        entries[-1]["rows"],
        entries[-1]["detail"]["by_pipeline"],
    )


@pytest.mark.parametrize("state", ["champion", "candidate", "verified"])
def test_what_a_receipt_needs_stays(old: Any, state: str) -> None:
    """Feature rows and labels of a version in this state give the same hash ever after."""
    receipt = read_training(old)
    age_records(old, 100)
    version(old, receipt, 1, state)
    said = run_all(old, dry_run=True)
    run_all(old)
    read = read_training(old, as_of=receipt.as_of)

    assert (receipt.rows, receipt.sha256) == (read.rows, read.sha256)
    assert said[f"{NAMES[0]}.labels"].kept.get(removals.NEEDED)
    assert said[f"{NAMES[0]}.feature_rows"].kept.get(removals.NEEDED)
    assert closed(balance_sheet(old))


@pytest.mark.parametrize(("state", "days"), [("rejected", 0), ("retired", 0), ("verified", 200)])
def test_what_no_version_needs_goes(old: Any, state: str, days: int) -> None:
    """A version that was rejected, replaced, or never proposed protects nothing."""
    receipt = read_training(old)
    age_records(old, 100)
    version(old, receipt, 1, state, days)
    done = run_all(old)

    assert done[f"{NAMES[0]}.labels"].items
    assert done[f"{NAMES[0]}.feature_rows"].items
    assert read_training(old, as_of=receipt.as_of).rows < receipt.rows
    assert closed(balance_sheet(old))


def test_a_window_protects_its_rows_only(old: Any) -> None:
    """Rows outside of what the champion read may go."""
    receipt = read_training(old, since=datetime.now(UTC) - timedelta(days=70))
    age_records(old, 100)
    version(old, receipt, 1, "champion")
    done = run_all(old)[f"{NAMES[0]}.feature_rows"]
    read = read_training(old, since=receipt.query.since, as_of=receipt.as_of)

    assert done.items
    assert receipt.sha256 == read.sha256


def _labels(api: Any) -> dict[tuple[str, int], str]:
    """What the labels dataset has now."""
    api.databases.catch_up()
    with api.client("reader") as client:
        found = read_dataset(client, f"{NAMES[0]}.labels", DatasetQuery()).table
    places = zip(found["request_id"].to_pylist(), found["row"].to_pylist(), strict=True)
    return dict(zip(places, found["kind"].to_pylist(), strict=True))


def _correct(api: Any) -> None:
    """Every second label is another one by feedback, half of those as it was by a second one."""
    for number, ((request_id, row), held) in enumerate(sorted(_labels(api).items())):
        for kind in (min({"rose", "daisy"} - {held}), held)[: number % 3]:
            label = {"request_id": request_id, "row": row, "label": kind}
            answer = api.call("writer", "POST", "/v1/feedback", json={"labels": [label]})
            assert 1 == answer["accepted"]


def test_labels_may_outlive_their_feature_rows(old: Any) -> None:
    """Those that lie in the rows move; a dry run counts none of them."""
    old.apply(NAMES[0], retention={**DAYS, "labels": 3650})
    _correct(old)
    before = _labels(old)
    said = run_all(old, dry_run=True)
    done = run_all(old)

    assert done[f"{NAMES[0]}.feature_rows"].items
    assert 0 == said[f"{NAMES[0]}.labels"].items == done[f"{NAMES[0]}.labels"].items
    assert before == _labels(old)
    assert closed(balance_sheet(old))


def test_labels_may_go_before_their_feature_rows(old: Any) -> None:
    """No label that was corrected comes back, whichever transaction a run dies after."""
    old.apply(NAMES[0], retention={**DAYS, "feature_rows": 3650})
    _correct(old)
    age_records(old, 100)
    before = _labels(old)
    with old.client("keeper") as client:
        while client.remove_past("requests", None, dry_run=False).more:
            pass
    said = run_all(old, dry_run=True)[f"{NAMES[0]}.labels"]
    gone = 0
    kept = balance_sheet(old)
    with old.client("keeper") as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(removals, "MOST", 1)
        patch.setattr(removals, "CHUNKS", 1)
        while done := client.remove_past("labels", NAMES[0], dry_run=False).items:
            gone += done
            left = _labels(old)
            assert left == {place: before[place] for place in left}
    read = read_training(old)

    assert said.items == gone > 0
    assert read.rows == len(_labels(old)) < len(before)
    assert kept.rows == balance_sheet(old).rows


def test_a_table_that_nothing_uses_goes_after_its_days(old: Any) -> None:
    """Counted from the run that found it unused; applied again, it begins anew."""
    with old.databases.connect("owner", "warehouse") as warehouse:
        (table,) = warehouse.execute(
            "SELECT table_name FROM control.feature_sets WHERE pipeline = %s", (NAMES[0],)
        ).fetchone()
        warehouse.execute(
            "INSERT INTO control.feature_sets (pipeline, digest, commit, definition) "
            "SELECT pipeline, %s, commit, definition FROM control.feature_sets WHERE pipeline = %s",
            ("e" * 64, NAMES[0]),
        )
        warehouse.execute(
            "UPDATE control.pipelines SET features_digest = %s WHERE name = %s",
            ("e" * 64, NAMES[0]),
        )
    first = run_all(old)[f"{NAMES[0]}.features"]
    age_records(old, 2)
    said = run_all(old, dry_run=True)[f"{NAMES[0]}.features"]
    done = run_all(old)[f"{NAMES[0]}.features"]
    old.apply(NAMES[0], retention=DAYS)
    old.featurise(NAMES[0])
    run_all(old)

    assert ([], [table], [table]) == (first.names, said.names, done.names)
    assert closed(balance_sheet(old))


def test_days_beyond_what_the_platform_allows_are_refused(api: Any) -> None:
    """At apply, with the field and the bounds; an unknown kind is refused too."""
    with pytest.raises(InvalidInput, match="keeps requests from 30 to 3650 days"):
        api.apply(NAMES[0], retention={"requests": 5})
    with pytest.raises(InvalidInput, match=r"retention\.answers"):
        api.apply(NAMES[0], retention={"answers": 50})


def test_the_sizes_of_all_tables_are_told(old: Any) -> None:
    """Partitions count as their table, and indexes apart."""
    with old.databases.connect("owner", "raw") as raw:
        raw.execute("ANALYZE raw.requests")
    old.databases.catch_up()
    with old.client("keeper") as client:
        found = {each.name: each for each in client.table_sizes()}

    assert 14 == found["raw.requests"].rows
    assert found["raw.requests"].size > 0 < found["raw.requests"].indexes
    assert {"control.ledger", "warehouse.labels", "warehouse.quarantine"} < found.keys()


def test_only_its_role_removes(api: Any) -> None:
    """Readers and writers don't; its own role does nothing else."""
    for caller in ("reader", "writer", "approver", "trainer"):
        with api.client(caller) as client, pytest.raises(Forbidden):
            client.remove_past("labels", NAMES[0], dry_run=True)
    with api.client("keeper") as client, pytest.raises(Forbidden):
        client.hold(NAMES[0], why="x")
    with api.client("keeper") as client, pytest.raises(Forbidden):
        client.pipelines()


def test_the_ledger_of_late_can_not_be_removed(api: Any) -> None:
    """Whoever has the data API's role can't hide what was done in the last 90 days."""
    with (
        api.databases.connect("dataapi", "warehouse") as warehouse,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        warehouse.execute("SELECT control.remove_ledger(now() - interval '80 days', 10, true)")
    for statement in ("DELETE FROM control.ledger", "DELETE FROM warehouse.labels"):
        with (
            api.databases.connect("dataapi", "warehouse") as warehouse,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            warehouse.execute(statement)


def test_dead_letters_keep_their_numbers(api: Any) -> None:
    """Of a removed dead letter the balance keeps the number; a record sent twice stays one."""
    outbox = str(uuid4())
    api.apply(NAMES[0], retention=DAYS)
    _store(api, outbox, [1, 0.9, 0.8])
    with api.databases.connect("consumer", "raw") as raw:
        for place, box, number in (
            (100, outbox, 4),
            (101, outbox, 4),
            (102, outbox, 3),
            (103, None, None),
            (104, outbox, None),
        ):
            raw.execute(
                "INSERT INTO raw.dead_letters (topic, partition, log_offset, outbox_id, sequence, "
                "reason, payload) VALUES ('requests', 0, %s, %s, %s, 'x', 'abc')",
                (place, box, number),
            )
    api.featurise(NAMES[0])
    before = balance_sheet(api)
    with api.databases.connect("owner", "raw") as raw:
        raw.execute("UPDATE raw.dead_letters SET at = at - interval '400 days'")
    done = run_all(api)["dead_letters"]
    after = balance_sheet(api)

    assert 5 == done.items
    assert 3 == before.requests.dead_lettered == after.requests.dead_lettered
    assert [(3, 1, 1)] == [(b.stored, b.dead_lettered, b.removed) for b in after.outboxes]
    assert [b.dead_lettered for b in before.outboxes] == [b.dead_lettered for b in after.outboxes]
    assert closed(after)


def test_a_run_that_dies_is_finished_by_the_next(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off after any of its transactions: the tables end as those of one run."""
    monkeypatch.setattr(removals, "MOST", 1)
    monkeypatch.setattr(removals, "CHUNKS", 1)
    with old.client("keeper") as client:
        half = client._http.post(
            "/v1/retention/remove", json={"kind": "requests"}
        )  # one transaction of one request
    between = balance_sheet(old)
    monkeypatch.undo()
    done = run_all(old)

    assert (1, True) == (half["items"], half["more"])
    assert 7 == done["requests"].items
    assert [True, True] == [closed(between), closed(balance_sheet(old))]
    with old.databases.connect("owner", "raw") as raw:
        ranges = raw.execute("SELECT first, last, requests FROM raw.removed_numbers").fetchall()
    assert [(1, 4, 4), (1, 4, 4)] == ranges


@pytest.mark.parametrize("seed", range(4))
def test_no_history_breaks_a_receipt_or_the_balance(
    start: Callable[..., Any], databases: Any, tmp_path: Path, seed: int
) -> None:
    """Whatever comes in, is read, promoted, replaced and removed, in whichever order."""
    chance = random.Random(seed)
    api = start(databases, tmp_path)
    api.apply(NAMES[0], retention=DAYS)
    needed: dict[int, Receipt] = {}
    outboxes = [str(uuid4()) for _ in range(2)]
    for step in range(1, 12):
        ages = [chance.uniform(0, 120) for _ in range(chance.randint(1, 6))]
        _store(api, chance.choice(outboxes), sorted(ages, reverse=True))
        if chance.random() < 0.8:
            api.featurise(NAMES[0])
        if chance.random() < 0.6:
            api.featurise(NAMES[0])
            since = datetime.now(UTC) - timedelta(days=chance.choice([40, 80, 3_000]))
            needed[step] = read_training(api, since=since)
            _promote(api, needed, step)
        if chance.random() < 0.5:
            age_records(api, chance.choice([10, 50]))
        run_all(api, dry_run=chance.random() < 0.2)
        for receipt in needed.values():
            read = read_training(api, **receipt.query.model_dump(include={"since", "as_of"}))
            assert (receipt.rows, receipt.sha256) == (read.rows, read.sha256)
        assert not any(each.unaccounted for each in balance_sheet(api).rows.values())
        assert all(each.whole for each in balance_sheet(api).outboxes)


def _promote(api: Any, needed: dict[int, Receipt], step: int) -> None:
    """The version of that step becomes champion; two back from it nobody needs any more."""
    receipt = needed[step]
    versions = sorted(needed)
    version(api, receipt, step, "registered")
    with api.databases.connect("owner", "warehouse") as warehouse:
        warehouse.execute(
            "UPDATE control.model_versions SET state = 'retired' WHERE state = 'champion'"
        )
        warehouse.execute(
            "UPDATE control.model_versions SET state = 'champion' WHERE version = %s", (str(step),)
        )
        warehouse.execute(
            "INSERT INTO control.promotions (pipeline, version, action, state, by, why, previous) "
            "VALUES (%s, %s, 'promote', 'champion', 'x', 'x', %s)",
            (NAMES[0], str(step), str(versions[-2]) if len(versions) > 1 else None),
        )
    for former in versions[:-2]:
        needed.pop(former)
