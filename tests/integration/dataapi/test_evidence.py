"""What the owner of the database does to stored answers is named by `mlplatform audit verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from chained import OUTBOX, entries, payloads
from typer.testing import CliRunner

from mlplatform.cli import audit
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.errors import Forbidden
from mlplatform.settings import PostgresSettings

Verify = Callable[..., dict[str, Any]]


@pytest.fixture
def rows(api: Any) -> None:
    """Nine records of one outbox, stored by the consumer's role."""
    pool = PrimaryPool(api.databases.dsn("consumer", "raw"), PostgresSettings(), name="raw")
    try:
        store = RequestStore(pool, topic="mlplatform.requests")
        store.store(entries(payloads(9)), holes={0: 0})
    finally:
        pool.close()
    with api.databases.cluster.superuser(api.databases.raw) as owner:
        owner.execute("UPDATE raw.requests SET stored_at = now() - interval '1 day'")


@pytest.fixture
def verify(api: Any, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """The command, with an auditor's token."""
    platform = Mock()
    platform.dataapi = lambda: api.client("auditor")
    monkeypatch.setattr(audit, "connect", lambda _: platform)

    def run(*arguments: str, code: int) -> dict[str, Any]:
        api.databases.cluster.catch_up()
        found = CliRunner().invoke(audit.app, ["verify", "--json", *arguments])
        assert code == found.exit_code, found.output
        return dict(json.loads(found.stdout))

    return run


def accused(verdict: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Kind and numbers of every finding."""
    return [
        (each["kind"], each["first"], each["last"])
        for box in verdict["outboxes"]
        for each in box.get("findings", [])
    ]


SWAP = """
    UPDATE raw.requests AS one SET {sets} FROM raw.requests AS other
    WHERE (one.sequence, other.sequence) IN ((3, 7), (7, 3))
"""


def insert(number: int, proof: str) -> str:
    """A copy of number 9 under another number, with or without the columns that prove it."""
    columns = (
        "pipeline, source, topic, partition, version, caller, received_at, rows, inputs, outputs,"
        f" stored_at, outbox_id{proof}"
    )
    return (
        f"INSERT INTO raw.requests (request_id, log_offset, sequence, {columns})"
        f" SELECT gen_random_uuid(), 99, {number}, {columns} FROM raw.requests WHERE sequence = 9"
    )


def swap(*columns: str) -> str:
    """Exchange these columns of numbers 3 and 7."""
    return SWAP.format(sets=", ".join(f"{name} = other.{name}" for name in columns))


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ("UPDATE raw.requests SET outputs = '{\"prediction\":[0]}' WHERE sequence = 4", [4]),
        ("UPDATE raw.requests SET received_at = now() WHERE sequence = 9", [9]),
        ("UPDATE raw.requests SET caller = 'nobody' WHERE sequence = 1", [1]),
        ("UPDATE raw.requests SET salt = NULL WHERE sequence = 2", [2]),
        ("DELETE FROM raw.requests WHERE sequence = 5", [5]),
        ("DELETE FROM raw.requests WHERE sequence = 1", [1]),
        (swap("inputs", "outputs"), [3, 7]),
        (swap("inputs", "outputs", "form", "salt", "digest", "chain"), [3, 7]),
        (insert(10, ""), [10]),
        (insert(6, ", form, salt, digest, chain"), [6]),
    ],
)
@pytest.mark.usefixtures("rows")
def test_what_the_owner_changes_is_named(
    api: Any, verify: Verify, attack: str, expected: list[int]
) -> None:
    """The exact numbers, and before it nothing."""
    assert [] == accused(verify(code=0))
    with api.databases.cluster.superuser(api.databases.raw) as owner:
        owner.execute(attack)

    found = accused(verify(code=3))
    assert [(number, number) for number in expected] == [(first, last) for _, first, last in found]


@pytest.mark.usefixtures("rows")
def test_a_request_without_a_number_is_named(api: Any, verify: Verify) -> None:
    """Serving gives a number to each of its requests."""
    with api.databases.cluster.superuser(api.databases.raw) as owner:
        (request_id,) = owner.execute(
            "UPDATE raw.requests SET outbox_id = NULL WHERE sequence = 9 RETURNING request_id::text"
        ).fetchone()

    assert [request_id] == verify(code=3)["numberless"]


@pytest.mark.usefixtures("rows")
def test_a_verification_is_entered_in_the_ledger(api: Any, verify: Verify) -> None:
    """With who, which outbox and how many records."""
    verify(code=0)

    entries = api.ledger(caller="auditor", action="audit")
    assert [None, 9] == [entry["rows"] for entry in entries]
    assert OUTBOX == entries[1]["detail"]["outbox_id"]


@pytest.mark.parametrize("caller", ["reader", "writer", "narrow", "run of auto-one"])
def test_only_an_auditor_of_all_pipelines_reads_records(api: Any, caller: str) -> None:
    """An outbox holds the requests of everybody."""
    with pytest.raises(Forbidden):
        api.call(caller, "GET", f"/v1/evidence/{OUTBOX}/records")


@pytest.mark.usefixtures("rows")
def test_pages_join_to_the_whole(api: Any, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a page ends after every record."""
    monkeypatch.setattr("mlplatform.database.evidence.PAGE_BYTES", 1)

    (box,) = verify(code=0)["outboxes"]
    assert 9 == box["proven"]
    assert 9 < len(api.ledger(caller="auditor", action="audit"))


@pytest.mark.usefixtures("rows")
def test_a_window_of_time_is_verified_by_itself(api: Any, verify: Verify) -> None:
    """It begins where its first record stands, and is linked to the one before."""
    with api.databases.connect("owner", "raw") as connection:
        (moment,) = connection.execute(
            "SELECT to_timestamp(('x' || left(replace(request_id::text, '-', ''), 12))::bit(48)"
            "::bigint / 1000.0) FROM raw.requests WHERE sequence = 5"
        ).fetchone()

    (box,) = verify("--since", moment.isoformat(), code=0)["outboxes"]
    assert 9 == box["last"]
