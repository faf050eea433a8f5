"""Over two raw servers: what is removed, forgotten, proven and decided is so on both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from chained import OUTBOX, entries, payloads
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
from stored_texts import stored
from two_raw import Two, away, two_raw
from typer.testing import CliRunner

from mlplatform.cli import audit
from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.errors import Unavailable

NAME = NAMES[0]
WHO = "anna-schmidt"
DAY_S = 86_400


@pytest.fixture
def two(
    databases: Any, start: Callable[..., Any], tmp_path: Path, wait: Callable[..., Any]
) -> Iterator[Two]:
    """Two raw servers; partitions move only when the test says so: 2 and 3 lie on the second."""
    with two_raw(databases, start, tmp_path, wait) as found:
        found.moves.stop()
        yield found


# Retention


def keep(two: Two, numbers: Sequence[int], *, days: float, pipeline: str = NAME) -> None:
    """Requests of two rows of that age; every third has a bad one."""
    for number in numbers:
        widths = [1.5, None if number % 3 == 0 else float(number)]
        at = datetime.now(UTC) - timedelta(days=days)
        two.store(
            number,
            request_id=past_id(days),
            received_us=int(at.timestamp() * 1e6),
            pipeline=pipeline,
            rows=2,
            inputs={"width": widths, "kind": ["rose", "daisy"]},
        )


def requests(two: Two, **query: Any) -> Receipt:
    """The receipt of a read of the requests themselves."""
    with two.api.client("reader") as client:
        return read_dataset(client, f"{NAME}.requests", DatasetQuery(**query)).receipt


def left(two: Two, pipeline: str = NAME) -> list[int]:
    """How many requests each server has."""
    query = "SELECT count(*) FROM raw.requests WHERE pipeline = %s"
    return [count for (count,) in two.raw.rows(query, pipeline)]


def test_retention_removes_on_both_and_keeps_what_is_needed(
    two: Two, start: Callable[..., Any], tmp_path: Path
) -> None:
    """Months go on both, the balance stays closed, a hold holds, and receipts read the same.

    While a server is away nothing is removed on the other.
    """
    other = away(two, start, tmp_path / "other")  # it applies the pipelines
    for name in NAMES:
        two.api.apply(name, retention=DAYS)
    months = [old_partition(two.of(shard), 400) for shard in two.raw.of]
    keep(two, range(1, 9), days=400)
    keep(two, range(9, 17), days=100)
    keep(two, range(17, 25), days=1)
    keep(two, range(25, 29), days=100, pipeline=NAMES[1])
    for name in NAMES:
        two.featurise(name)
    age_records(two.api, 100)
    needed = read_training(two.api)
    version(two.api, needed, 1, "champion")
    age_records(two.api, 100)
    lately = {"since": datetime.now(UTC) - timedelta(days=30)}
    before, late = balance_sheet(two.api), requests(two, **lately)
    with two.api.client("admin") as client:
        client.hold(NAMES[1], why="case 7")
    with other.client("keeper") as client, pytest.raises(Unavailable, match="raw-2"):
        client.remove_past("requests", None, dry_run=False)
    assert [12, 12] == left(two)

    said, done = run_all(two.api, dry_run=True), run_all(two.api)
    after = balance_sheet(two.api)
    assert counts(said) == counts(done)
    assert {} == counts(run_all(two.api))
    assert {NAME: 16} == done["requests"].by_pipeline
    assert [months[0], f"raw-2: {months[1]}"] == done["requests"].names
    assert ([4, 4], [2, 2]) == (left(two), left(two, NAMES[1]))
    assert [True, True] == [closed(before), closed(after)]
    assert before.requests == after.requests
    assert [(28, 16)] == [(each.stored, each.removed) for each in after.outboxes]
    query = "SELECT first, last, requests FROM raw.removed_numbers"
    assert [(1, 16, 8), (2, 15, 8)] == two.raw.rows(query)
    assert (late.rows, late.sha256) == (requests(two).rows, requests(two, **lately).sha256)
    again = read_training(two.api, as_of=needed.as_of)
    assert (needed.rows, needed.sha256) == (again.rows, again.sha256)
    assert "case 7" == done[f"{NAMES[1]}.labels"].held


# Forgetting


def row(person: str, **values: Any) -> dict[str, Any]:
    """A row as clients send it."""
    return {"person": person, "width": 1.5, "colour": f"eyes of {person}", "kind": "rose"} | values


def chained(bodies: dict[int, list[dict[str, Any]]]) -> dict[int, bytes]:
    """Proven records of one outbox, by their numbers from 1 on."""
    head, found = None, dict[int, bytes]()
    for number, rows in bodies.items():
        (found[number],) = payloads(
            1,
            first=number,
            head=head,
            pipeline=NAME,
            rows=len(rows),
            body=msgspec.Raw(json.dumps({"rows": rows}).encode()),
            outputs=msgspec.Raw(json.dumps({"kind": ["rose"] * len(rows)}).encode()),
        )
        head = entries([found[number]])[0].chain
    return found


def somewhere(two: Two, text: str) -> list[str]:
    """Tables in which a text stands, of all databases."""
    return [f"{shard}: {table}" for shard in two.raw.of for table in stored(two.of(shard), text)]


@pytest.fixture
def verify(two: Two, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """`mlplatform audit …`, with an auditor's token; answers with the verdict, if it is one."""
    platform = Mock()
    platform.dataapi = lambda: two.api.client("auditor")
    monkeypatch.setattr(audit, "connect", lambda _: platform)

    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        two.api.databases.catch_up()
        found = CliRunner().invoke(audit.app, [*arguments])
        assert code == found.exit_code, found.output
        return dict(json.loads(found.stdout)) if "--json" in arguments else {}

    return run


def told(verdict: dict[str, Any], what: str) -> list[tuple[str, int, int]]:
    """Kind and numbers of its findings or notes."""
    return [
        (each["kind"], each["first"], each["last"])
        for box in verdict["outboxes"]
        for each in box.get(what, [])
    ]


def test_a_person_is_forgotten_on_both(
    two: Two, start: Callable[..., Any], tmp_path: Path, verify: Callable[..., dict[str, Any]]
) -> None:
    """Rows, dead letters and what came again; balance and chain close, and versions are named.

    While a server is away it is refused, and nothing is gone on the other.
    """
    other = away(two, start, tmp_path / "other")  # it applies the pipelines
    two.api.apply(NAME, key="person")
    whose = {3: [row(WHO)], 4: [row(WHO)], 6: [row(WHO)], 7: [row("bert"), row(WHO)]}
    letters = {9: [row(WHO)], 10: [row(WHO)]}
    bodies = {number: [row("bert")] for number in range(1, 9)} | whose | letters
    sent = chained(bodies)
    two.put({number: sent[number] for number in bodies if number not in letters})
    two.put({number: sent[number] for number in letters}, refused=f"it says {WHO}")
    two.execute("UPDATE raw.requests SET stored_at = now() - interval '1 day'")
    two.featurise()
    trained = read_training(two.api)
    version(two.api, trained, 1, "champion")
    two.move(3, "raw")
    two.put({3: sent[3]})
    before, everywhere = balance_sheet(two.api), somewhere(two, WHO)
    assert {"raw: raw.repeated", "raw-2: raw.dead_letters", "raw: raw.dead_letters"} <= {
        *everywhere
    }
    with other.client("admin") as client, pytest.raises(Unavailable, match="raw-2"):
        client.forget(NAME, WHO, why="asked for it")
    assert everywhere == somewhere(two, WHO)

    with two.api.client("admin") as client:
        said = client.forget(NAME, WHO, why="asked for it", dry_run=True)
        settled = [each for each in everywhere if each != "raw: raw.repeated"]
        assert settled == somewhere(two, WHO)
        done = client.forget(NAME, WHO, why="asked for it")
        assert client.forget(NAME, WHO, why="asked for it").empty
    assert said.model_dump(exclude={"entry"}) == done.model_dump(exclude={"entry"})
    assert (4, 4, 4, 2) == (done.requests, done.rows, done.features, done.letters)
    assert [("1", trained.id, 4)] == [(v.version, v.receipt_id, v.rows) for v in done.versions]
    assert [] == somewhere(two, WHO)
    assert somewhere(two, "eyes of bert")

    after = balance_sheet(two.api)
    assert (before.requests, before.outboxes) == (after.requests, after.outboxes)
    assert (9, 4, 0) == tuple(
        getattr(after.rows[NAME], name) for name in ("raw", "forgotten", "unaccounted")
    )
    assert [
        ("forgotten", 3, 4),
        ("forgotten", 6, 6),
        ("forgotten in part", 7, 7),
        ("forgotten", 9, 10),
    ] == told(verify("verify", "--json"), "notes")


# Evidence

SWAP = """
    UPDATE raw.requests AS one SET {sets} FROM raw.requests AS other
    WHERE (one.sequence, other.sequence) IN ((7, 11), (11, 7))
"""
PROOF = "form, salt, digest, chain"
COPY = (
    "pipeline, source, topic, partition, version, caller, received_at, rows, inputs, outputs,"
    f" stored_at, outbox_id, {PROOF}"
)


def swapped(*columns: str) -> str:
    """Exchange these columns of numbers 7 and 11."""
    return SWAP.format(sets=", ".join(f"{name} = other.{name}" for name in columns))


ATTACKS = {
    "UPDATE raw.requests SET caller = 'nobody' WHERE sequence = 7": [7],
    "DELETE FROM raw.requests WHERE sequence = 10": [10],
    swapped("inputs", "outputs"): [7, 11],
    swapped("inputs", "outputs", "form", "salt", "digest", "chain"): [7, 11],
    f"INSERT INTO raw.requests (request_id, log_offset, sequence, {COPY}) SELECT"
    f" gen_random_uuid(), 99, 5, {COPY} FROM raw.requests WHERE sequence = 10": [5],
    f"INSERT INTO raw.requests (request_id, log_offset, sequence, {COPY}) SELECT"
    f" gen_random_uuid(), 99, 17, {COPY} FROM raw.requests WHERE sequence = 10": [17],
}


def test_what_the_owner_of_the_second_server_does_is_named(
    two: Two, verify: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """By its exact number, in an outbox whose records a move has split, and nothing else is.

    An export of both proves them without the platform.
    """
    sent = chained({number: [row("bert", width=number)] for number in range(1, 17)})
    two.put({number: sent[number] for number in range(1, 9)})
    two.move(1, "raw-2")
    two.move(2, "raw")
    two.put({number: sent[number] for number in range(9, 17)})
    two.move(2, "raw-2")
    two.execute("UPDATE raw.requests SET stored_at = now() - interval '1 day'")
    with two.raw.of["raw-2"].connect("postgres", "raw") as owner:
        here = "SELECT sequence FROM raw.requests ORDER BY 1"
        numbers = [n for (n,) in owner.execute(here).fetchall()]
        assert [2, 3, 6, 7, 9, 11, 13, 15] == numbers
        attacks = {attack.replace("10", "9"): named for attack, named in ATTACKS.items()}
        owner.execute("CREATE TABLE kept AS TABLE raw.requests")
        for attack, expected in attacks.items():
            (box,) = verify("verify", "--json")["outboxes"]
            assert 16 == box["proven"]
            owner.execute(attack)
            wanted = [9 if number == 10 else number for number in expected]
            found = told(verify("verify", "--json", code=3), "findings")
            assert [(n, n) for n in wanted] == [(first, last) for _, first, last in found], attack
            owner.execute("DELETE FROM raw.requests")
            owner.execute("INSERT INTO raw.requests SELECT * FROM kept")

    last = entries([sent[16]])[0].chain
    assert last is not None
    point = Checkpoint(outbox_id=OUTBOX, number=16, chain=last.hex(), at=datetime.now(UTC))
    places = ["--checkpoints", str(tmp_path / "points")]
    (tmp_path / "points").write_text(point.model_dump_json())
    file = str(tmp_path / "file")
    verify("export", file, *places)
    (box,) = verify("verify", file, *places, "--json")["outboxes"]
    assert (16, 16) == (box["proven"], box["witnessed"])


def test_what_one_server_knows_of_an_outbox_explains_the_records_of_another(
    two: Two, verify: Callable[..., dict[str, Any]]
) -> None:
    """Reports lie on the first, and removed numbers where they were, whoever has the rest.

    What the queue had acknowledged and no server has is named all the same.
    """
    sent = chained({number: [row("bert")] for number in range(1, 12)})
    two.put({number: sent[number] for number in (2, 3, 6, 10)})
    two.execute("UPDATE raw.requests SET stored_at = now() - interval '1 day'")
    with two.raw.of["raw"].connect("postgres", "raw") as owner:
        owner.execute(
            "INSERT INTO raw.removed_numbers VALUES (%s, 4, 5, 2, 0, now()),"
            " (%s, 1, 1, 1, 0, now())",
            (OUTBOX, OUTBOX),
        )
        owner.execute(
            "INSERT INTO raw.outboxes (outbox_id, host, accepted, acknowledged, seen_at, damaged)"
            " VALUES (%s, 'h', 11, 11, now() - interval '1 day', %s)",
            (OUTBOX, json.dumps([{"first": 7, "last": 9, "file": "f", "offset": 0}])),
        )
    verdict = verify("verify", "--json", code=3)
    assert [("removed", 11, 11)] == told(verdict, "findings")
    ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    verdict = verify("verify", "--since", ago, "--json", code=3)
    assert [("removed", 11, 11)] == told(verdict, "findings")
