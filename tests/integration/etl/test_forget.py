"""Forgetting a person: what etl has made goes, and it makes nothing of such a row again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlplatform.access import Caller, Role
from mlplatform.contracts.forget import ForgetRequest, Forgotten
from mlplatform.contracts.quarantine import CorrectRequest
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.balance import Balance
from mlplatform.dataapi.corrections import Corrections
from mlplatform.dataapi.forget import Forget
from mlplatform.dataapi.pools import Pools
from mlplatform.database import forget, raw_requests

ADMIN = Caller(name="admin", roles=(Role.ADMIN,), sha256="0" * 64)
Good = Callable[..., dict[str, Any]]
Erase = Callable[..., Forgotten]


@pytest.fixture
def pools(databases: Any) -> Iterator[Pools]:
    """The data API's."""
    found = Pools.open(databases.settings("dataapi"))
    yield found
    found.close()


@pytest.fixture
def erase(pools: Pools) -> Erase:
    """Forget a key of `loans`, as the data API does."""
    handler = Forget(pools.raws, pools.warehouse, AuditLog(pools.warehouse))

    def do(key: str, **options: Any) -> Forgotten:
        return handler.forget(ADMIN, "loans", ForgetRequest(key=key, why="asked for it", **options))

    return do


@pytest.fixture
def line(pools: Pools, databases: Any) -> Callable[[], dict[str, int]]:
    """The balance of `loans`, without what is 0."""
    balance = Balance(pools, AuditLog(pools.warehouse), silent_s=120)

    def take() -> dict[str, int]:
        databases.catch_up()
        found = balance.take(ADMIN, pipeline="loans").rows["loans"].model_dump()
        return {name: count for name, count in found.items() if count}

    return take


def inputs(scene: Any) -> list[dict[str, Any]]:
    """What the requests hold, in their order."""
    query = "SELECT inputs::text FROM raw.requests ORDER BY request_id"
    return [json.loads(row["inputs"]) for row in scene.rows(query, database="raw")]


def test_one_row_of_a_request_goes_and_the_others_stay(
    scene: Any, good: Good, erase: Erase, line: Callable[[], dict[str, int]]
) -> None:
    """Its values become null; rows keep their numbers, values and features."""
    digest = scene.apply()
    scene.serve([good(loan="a", income=1), good(loan="b", income=2), good(loan=77, income=3)])
    scene.drain()
    before = {row["row"]: row for row in scene.features(digest)}
    said = erase("b", dry_run=True)
    untouched = inputs(scene)
    done = erase("b")
    again = erase("b")

    assert {"features": 1, "rows": 1, "requests": 1} == {
        name: getattr(done, name) for name in ("features", "rows", "requests")
    }
    assert done.model_dump(exclude={"entry"}) == said.model_dump(exclude={"entry"})
    assert ["a", "b", 77] == untouched[0]["loan"]
    assert [{"loan": ["a", None, 77], "income": [1, None, 3]}] == [
        {name: each[name] for name in ("loan", "income")} for each in inputs(scene)
    ]
    assert {0: before[0], 2: before[2]} == {row["row"]: row for row in scene.features(digest)}
    assert again.empty
    assert {"raw": 3, "featured": 2, "forgotten": 1} == line()


def test_a_new_digest_passes_over_what_was_forgotten(
    scene: Any, good: Good, erase: Erase, line: Callable[[], dict[str, int]]
) -> None:
    """Its backfill makes no feature of it, and the balance says where it is."""
    scene.apply()
    scene.serve([good(loan="a"), good(loan="b")], [good(loan="b")], [good(loan="c")])
    scene.bring(*(good(loan=name, paid="yes") for name in ("a", "b", "b", "d")))
    scene.drain()
    erase("b")
    later = scene.apply(None)
    scene.drain()

    assert ["a", "a", "c", "d"] == sorted(row["key"] for row in scene.features(later))
    assert {"raw": 8, "featured": 4, "forgotten": 4} == line()
    assert [{}] == [each for each in inputs(scene) if not each]
    assert 2 == len(scene.labels())


def test_what_etl_had_not_passed_is_never_made(
    scene: Any, good: Good, erase: Erase, line: Callable[[], dict[str, int]]
) -> None:
    """It waits, and then counts as forgotten."""
    digest = scene.apply()
    scene.serve([good(loan="a")], [good(loan="b")])
    done = erase("b")
    waiting = line()
    scene.drain()

    assert (1, 0) == (done.rows, done.features)
    assert {"raw": 2, "waiting": 2} == waiting
    assert ["a"] == [row["key"] for row in scene.features(digest)]
    assert {"raw": 2, "featured": 1, "forgotten": 1} == line()


def test_a_quarantined_and_a_corrected_row_go(
    scene: Any, good: Good, erase: Erase, pools: Pools, line: Callable[[], dict[str, int]]
) -> None:
    """Whether the key stood in the request, or a person has corrected it to this one."""
    scene.apply()
    scene.serve([good(loan="b", income=-1)], [good(loan=[], income=-2), good(loan="c", income=-3)])
    scene.serve([good(loan="b", income=-4)])
    scene.drain()
    entries = scene.rows("SELECT id, request_id, row FROM warehouse.quarantine ORDER BY id")
    handler = Corrections(pools.raws, pools.warehouse, AuditLog(pools.warehouse))
    handler.correct(
        ADMIN, entries[1]["id"], CorrectRequest(fields={"loan": "b"} | {"income": 5}, why="w")
    )
    handler.correct(ADMIN, entries[3]["id"], CorrectRequest(fields={"income": 5}, why="w"))
    scene.drain()
    before = line()
    said = erase("b", dry_run=True)
    done = erase("b")
    scene.drain()
    kept = scene.rows("SELECT payload, reason, dropped_why FROM warehouse.quarantine ORDER BY id")

    assert {"raw": 4, "featured": 2, "quarantined": 2} == before
    assert (3, 2, 2, 1) == (done.rows, done.features, done.corrections, done.quarantined)
    assert said.model_dump(exclude={"entry"}) == done.model_dump(exclude={"entry"})
    assert {"raw": 4, "quarantined": 1, "forgotten": 3} == line()
    assert [] == scene.rows("SELECT FROM warehouse.corrections")
    assert 3 == sum(row["payload"] == {} and row["reason"] == "forgotten" for row in kept)
    assert {f"forgotten: entry {done.entry} of the ledger", None} == {
        row["dropped_why"] for row in kept
    }


def test_a_text_with_any_character_leaves_the_others_alone(
    scene: Any, good: Good, erase: Erase
) -> None:
    """Numbers stay as they are written; NUL becomes its symbol."""
    scene.apply()
    text = (
        '{"loan": ["\\u0062", "a"], "income": [1.50, 1e2], "city": ["x", "\\\\u0000 \\u0000 \\"ü"],'
        ' "children": [1, 12345678901234567890], "member": [true, false]}'
    )
    scene.store_text(text, rows=2, offset=1)
    done = erase("b")
    (row,) = scene.rows("SELECT inputs::text, forgotten FROM raw.requests", database="raw")

    assert (1, [0]) == (done.rows, row["forgotten"])
    assert "[null, 1e2]" in row["inputs"]
    assert "[null, 12345678901234567890]" in row["inputs"]
    assert {"city": [None, '\\u0000 \N{SYMBOL FOR NULL} "ü']}.items() <= json.loads(
        row["inputs"]
    ).items()


def test_a_batch_that_has_read_the_row_comes_before(
    scene: Any, good: Good, erase: Erase, databases: Any, line: Callable[[], dict[str, int]]
) -> None:
    """What etl makes of values that it read before they were removed is removed as well."""
    digest = scene.apply()
    scene.serve([good(loan="b")], [good(loan="c")])
    worker = scene.worker()
    read = raw_requests.read
    with ThreadPoolExecutor() as others, pytest.MonkeyPatch.context() as patch:
        begun = []

        def slow(*arguments: Any, **values: Any) -> Any:
            found = read(*arguments, **values)
            if not begun:
                begun.append(others.submit(erase, "b"))
                with databases.connect("owner", "warehouse") as session:
                    waits = (
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                    )
                    for _ in range(2_000):
                        if session.execute(waits).fetchone()[0]:
                            break
            return found

        patch.setattr(raw_requests, "read", slow)
        scene.drain(worker)
        done = begun[0].result()

    assert 1 == done.features
    assert ["c"] == [row["key"] for row in scene.features(digest)]
    assert {"raw": 2, "featured": 1, "forgotten": 1} == line()


@pytest.mark.parametrize("cut", ["forget_stored", "forget_made"])
def test_a_run_that_is_cut_short_is_finished_by_the_next(
    scene: Any,
    good: Good,
    erase: Erase,
    cut: str,
    line: Callable[[], dict[str, int]],
) -> None:
    """The balance is closed in between, and nothing is left after it."""
    digest = scene.apply()
    scene.serve([good(loan="b"), good(loan="a")], [good(loan="b", income=-1)])
    scene.bring(good(loan="b", paid="yes"), good(loan="c", paid="no"))
    scene.drain()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forget, cut, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase("b")
    between = line()
    scene.drain()
    done = erase("b")

    assert 5 == between["raw"] == between["featured"] + between["quarantined"]
    assert (2, 1) == (done.features, done.quarantined)
    assert {"raw": 5, "featured": 2, "forgotten": 3} == line()
    assert ["a", "c"] == sorted(row["key"] for row in scene.features(digest))
    assert 1 == len(scene.labels())
    assert erase("b").empty


def test_a_request_that_is_gone_leaves_its_features(
    scene: Any, good: Good, erase: Erase, databases: Any, line: Callable[[], dict[str, int]]
) -> None:
    """Feature rows are found by their key where retention has removed the request."""
    digest = scene.apply()
    ids = scene.serve([good(loan="b")], [good(loan="c")])
    scene.drain()
    with databases.connect("owner", "raw") as raw:
        raw.execute("DELETE FROM raw.requests WHERE request_id = %s", (ids[0],))
    done = erase("b")

    assert (0, 1) == (done.rows, done.features)
    assert ["c"] == [row["key"] for row in scene.features(digest)]


def test_random_rows_and_keys_keep_the_balance(
    scene: Any, good: Good, erase: Erase, line: Callable[[], dict[str, int]]
) -> None:
    """After every step no row is lost or counted twice, and none of a forgotten person is left."""
    chance = random.Random(11)
    people = [str(number) for number in range(8)]
    digests = [scene.apply()]
    gone: set[str] = set()
    for step in range(24):
        kind = chance.choice(["serve", "serve", "bring", "drain", "forget", "apply"])
        there = [each for each in people if each not in gone]
        rows = [
            good(loan=chance.choice(there), income=chance.choice([1, 2, -1]), paid="no")
            for _ in range(chance.randrange(1, 6))
        ]
        if kind == "serve":
            scene.serve(rows)
        elif kind == "bring":
            scene.bring(*rows)
        elif kind == "drain":
            scene.drain()
        elif kind == "forget" and len(there) > 2:
            gone.add(name := chance.choice(there))
            erase(name)
        elif kind == "apply" and step > 12 and len(digests) < 2:
            digests.append(scene.apply(None))
        found = line()
        assert 0 == found.get("unaccounted", 0)
    scene.drain()
    left = {
        row["key"] for digest in digests for row in scene.features(digest, "request_id, row, key")
    }
    texts = [value for each in inputs(scene) for value in each.get("loan", ())]

    assert not gone & left
    assert not gone & set(texts)
    assert gone
    assert 0 == line().get("unaccounted", 0)
