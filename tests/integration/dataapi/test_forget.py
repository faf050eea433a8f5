"""Forgetting a person through the data API: every place, the proof, the versions, the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import msgspec
import pytest
from chained import OUTBOX, entries, payloads
from held_labels import held_labels
from stored_texts import stored
from typer.testing import CliRunner

from mlplatform.cli import audit
from mlplatform.cli import forget as command
from mlplatform.cli.main import application
from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.forget import Forgotten
from mlplatform.database import queue_entries
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.errors import Forbidden, InvalidInput, Refused, UnknownName

NAME = "manual-one"
WHO = "anna-schmidt"
WHY = "request 12"
NOTHING = "salt = NULL, form = NULL, inputs = '{}', outputs = NULL"


@pytest.fixture
def person(api: Any) -> Any:
    """The small pipeline, whose rows belong to persons."""
    api.apply(NAME, key="person")
    api.databases.catch_up()
    return api


@pytest.fixture
def consume(databases: Any) -> Iterator[Callable[..., None]]:
    """Store records as the consumer does."""
    pool = PrimaryPool(databases.dsn("consumer", "raw"), databases.settings("consumer"), name="raw")
    store = RequestStore(pool, topic="mlplatform.requests")

    def keep(found: list[Any]) -> None:
        store.store(found, holes={})

    yield keep
    pool.close()


def erase(api: Any, key: str = WHO, **options: Any) -> Forgotten:
    """Forget a person."""
    with api.client("admin") as client:
        return client.forget(NAME, key, why=WHY, **options)


def row(person: str, **values: Any) -> dict[str, Any]:
    """A row of the history."""
    return {"person": person, "width": 1.5, "colour": f"eyes of {person}", "kind": "rose"} | values


def filled(api: Any, consume: Callable[..., None]) -> None:
    """Rows of two persons in every place that there is."""
    lines = [row(WHO), row("bert"), row(WHO, width=None), {"person": WHO, "width": [1]}]
    api.send(NAME, lines, **{"Idempotency-Key": "one"})
    served = payloads(2, pipeline=NAME, body=msgspec.Raw(json.dumps({"rows": [row(WHO)]}).encode()))
    letter = payloads(
        1,
        outbox_id=str(uuid4()),
        pipeline=NAME,
        body=msgspec.Raw(json.dumps({"rows": [row(WHO)]}).encode()),
    )[0]
    other = payloads(1, outbox_id=str(uuid4()), pipeline=NAME)[0]
    refused = [
        queue_entries.dead_letter(each, "refused", f"it says {who}", partition=0, offset=offset)
        for offset, (each, who) in enumerate([(letter, WHO), (other, "bert")], start=2)
    ]
    unreadable = queue_entries.entry(f"not JSON, of {WHO}".encode(), partition=0, offset=4)
    consume([*entries(served), *refused, unreadable])
    api.featurise(NAME)
    with api.databases.connect("dataapi", "raw") as raw:
        raw.execute(
            "UPDATE raw.imports SET reasons = jsonb_set(reasons, '{0,reason}', to_jsonb(%s::text))",
            (f"{WHO} is refused",),
        )
        found = raw.execute("SELECT request_id::text, inputs -> 'person' FROM raw.requests")
        rows = [(each, number, who) for each, people in found for number, who in enumerate(people)]
    labels = [
        {"request_id": request_id, "row": number, "label": label}
        for request_id, number, who in rows
        for label in ("daisy", f"not a label of {who}")
    ]
    api.call("writer", "POST", "/v1/feedback", json={"labels": labels})


def test_a_person_is_removed_from_every_place(person: Any, consume: Callable[..., None]) -> None:
    """No table of either database holds the key or a value any more; others keep theirs."""
    filled(person, consume)
    before = stored(person, WHO)
    said = erase(person, dry_run=True)
    unchanged = stored(person, WHO)
    done = erase(person)
    left = stored(person, WHO)
    last = erase(person, unreadable=True)

    assert ["raw.dead_letters", "raw.imports", "warehouse.quarantine"] == [
        each for each in before if "requests" not in each and "features." not in each
    ]
    assert {"features", "raw"} <= {each.partition(".")[0] for each in before}
    assert before == unchanged
    assert said.model_dump(exclude={"entry"}) == done.model_dump(exclude={"entry"})
    assert (4, 1, 1) == (done.rows, done.letters, len(done.unreadable_letters))
    assert done.features
    assert done.labels
    assert done.refused
    assert ["raw.dead_letters"] == left
    assert [] == stored(person, WHO)
    assert 1 == last.letters
    assert stored(person, "eyes of bert")


def test_the_balance_stays_closed(person: Any, consume: Callable[..., None]) -> None:
    """Numbers stay, and rows that were forgotten count as such."""
    filled(person, consume)
    before = person.call("reader", "GET", "/v1/balance")
    erase(person)
    person.databases.catch_up()
    after = person.call("reader", "GET", "/v1/balance")

    assert before["requests"] == after["requests"]
    assert [(box["stored"], box["dead_lettered"]) for box in before["outboxes"]] == [
        (box["stored"], box["dead_lettered"]) for box in after["outboxes"]
    ]
    assert (before["rows"][NAME]["raw"], 4, 0) == tuple(
        after["rows"][NAME][name] for name in ("raw", "forgotten", "unaccounted")
    )


@pytest.fixture
def proven(person: Any, consume: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Seven proven requests: 3 of Anna, 5 of both, 6 a dead letter of Anna, the others of Bert."""
    bodies = {3: [row(WHO)], 5: [row("bert"), row(WHO)], 6: [row(WHO)]}
    head, found = None, []
    for number in range(1, 8):
        rows = bodies.get(number, [row("bert")])
        values = payloads(
            1,
            first=number,
            head=head,
            pipeline=NAME,
            rows=len(rows),
            body=msgspec.Raw(json.dumps({"rows": rows}).encode()),
            outputs=msgspec.Raw(json.dumps({"kind": ["rose"] * len(rows)}).encode()),
        )
        (record,) = entries(values)
        head = record.chain
        found.append(
            queue_entries.dead_letter(values[0], "refused", "no", partition=0, offset=number - 1)
            if number == 6
            else msgspec.structs.replace(record, offset=number - 1)
        )
    consume(found)
    with person.databases.cluster.superuser(person.databases.raw) as owner:
        owner.execute("UPDATE raw.requests SET stored_at = now() - interval '1 day'")
    platform = Mock()
    platform.dataapi = lambda: person.client("auditor")
    monkeypatch.setattr(audit, "connect", lambda _: platform)
    return person


def run(api: Any, *arguments: str, code: int = 0) -> Any:
    """`mlplatform audit …`."""
    api.databases.catch_up()
    found = CliRunner().invoke(audit.app, [*arguments])
    assert code == found.exit_code, found.output
    return found.stdout


def notes(document: str) -> list[tuple[str, int, str]]:
    """Kind, number and detail of what a verification explains."""
    (box,) = json.loads(document)["outboxes"]
    assert [] == box.get("findings", [])
    return [(each["kind"], each["first"], each.get("detail", "")) for each in box.get("notes", [])]


def test_the_chain_closes_over_what_was_forgotten(proven: Any) -> None:
    """Each number says which entry of the ledger explains it; the others are proven as before."""
    before = notes(run(proven, "verify", "--json"))
    entry = erase(proven).entry
    verdict = run(proven, "verify", "--json")

    assert [("dead letter", 6, "")] == before
    assert [
        ("forgotten", 3, f"ledger entry {entry}"),
        (
            "forgotten in part",
            5,
            f"row 1 of 2, ledger entry {entry}; the others can't be proven any more",
        ),
        ("forgotten", 6, f"ledger entry {entry}"),
    ] == notes(verdict)
    assert 6 == json.loads(verdict)["outboxes"][0]["proven"]


def test_neighbours_are_exported_with_their_proof(proven: Any, tmp_path: Any) -> None:
    """Without the platform the file still proves them, and holds nothing of the person."""
    erase(proven)
    with proven.databases.connect("owner", "raw") as raw:
        (chain,) = raw.execute(
            "SELECT encode(chain, 'hex') FROM raw.requests WHERE sequence = 7"
        ).fetchone()
    point = Checkpoint(outbox_id=OUTBOX, number=7, chain=chain, at=datetime.now(UTC))
    (tmp_path / "points").write_text(point.model_dump_json())
    file = tmp_path / "file"
    run(proven, "export", str(file), "--pipeline", NAME, "--checkpoints", str(tmp_path / "points"))
    verdict = run(proven, "verify", str(file), "--json")

    assert WHO not in file.read_text()
    assert 5 == json.loads(verdict)["outboxes"][0]["proven"]
    assert {"forgotten", "forgotten in part"} <= {kind for kind, *_ in notes(verdict)}


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE raw.requests SET forgotten = '{0}', forgotten_in = '{7}' WHERE sequence = 2",
        f"UPDATE raw.requests SET {NOTHING} WHERE sequence = 2",
        f"UPDATE raw.requests SET {NOTHING}, forgotten = '{{0}}' WHERE sequence = 2",
        'UPDATE raw.requests SET outputs = \'{"kind":["rose"]}\' WHERE sequence = 3',
    ],
)
def test_a_mark_alone_explains_nothing(proven: Any, attack: str) -> None:
    """Values that stand where none should, and values that are gone without an entry, are named."""
    erase(proven)
    with proven.databases.cluster.superuser(proven.databases.raw) as owner:
        owner.execute(attack)
    (box,) = json.loads(run(proven, "verify", "--json", code=3))["outboxes"]

    assert ["changed"] == [each["kind"] for each in box["findings"]]


def test_versions_that_were_trained_on_it_are_named(person: Any) -> None:
    """Only those whose dataset held such a row; one read now has none, and its receipt says why."""
    person.send(NAME, [row("bert"), row("bert")])
    person.featurise(NAME)
    with person.client(f"run of {NAME}") as client:
        early = read_dataset(client, f"{NAME}.training", DatasetQuery()).receipt
        person.send(NAME, [row(WHO), row("bert"), row(WHO)])
        person.featurise(NAME)
        late = read_dataset(client, f"{NAME}.training", DatasetQuery()).receipt
        running = read_dataset(client, f"{NAME}.features", DatasetQuery()).receipt
    with person.databases.connect("owner", "warehouse") as warehouse:
        for number, receipt in enumerate((early, late), start=1):
            warehouse.execute(
                "INSERT INTO control.model_versions (pipeline, version, state, run_id, artifacts, "
                "manifest_sha256, features_digest, commit, format, receipt_id) VALUES "
                "(%s, %s, 'verified', 'r', 'a', 'm', %s, 'c0ffee', 'onnx', %s)",
                (NAME, str(number), receipt.query.digest, receipt.id),
            )
    said = erase(person, dry_run=True)
    done = erase(person)
    person.databases.catch_up()
    with person.client(f"run of {NAME}") as client:
        again = read_dataset(client, f"{NAME}.training", DatasetQuery(as_of=late.as_of)).receipt
        kept = read_dataset(client, f"{NAME}.training", DatasetQuery(as_of=early.as_of)).receipt
        known = [client.receipt(each.id) for each in (early, late)]

    assert [("2", "verified", late.id, 2), ("", "training", running.id, 2)] == [
        (each.version, each.state, each.receipt_id, each.rows) for each in done.versions
    ]
    assert said.versions == done.versions
    assert (late.rows - 2, early.sha256) == (again.rows, kept.sha256)
    assert [[], [(done.entry, 2)]] == [
        [(each.entry, each.rows) for each in receipt.forgotten] for receipt in known
    ]
    assert late == known[1].plain()


def test_a_label_of_a_forgotten_row_is_refused_and_kept_nowhere(person: Any) -> None:
    """It would be the only thing left of the row."""
    person.send(NAME, [row(WHO), row("bert")])
    person.featurise(NAME)
    erase(person)
    with person.databases.connect("dataapi", "raw") as raw:
        ((request_id,),) = raw.execute("SELECT request_id::text FROM raw.requests").fetchall()
    labels = [{"request_id": request_id, "row": number, "label": "daisy"} for number in (0, 1)]
    answer = person.call("writer", "POST", "/v1/feedback", json={"labels": labels})

    assert (1, [(0, "this row was forgotten")]) == (
        answer["accepted"],
        [(each["index"], each["reason"]) for each in answer["refused"]],
    )
    with person.databases.connect("owner", "warehouse") as warehouse:
        held = held_labels(warehouse)
    assert [(1, "daisy")] == [(label["row"], label["text"]) for label in held]


def test_the_ledger_has_the_reason_and_never_the_key(person: Any) -> None:
    """Entered before it begins, and when it has ended with what is gone; a dry run is a view."""
    person.send(NAME, [row(WHO), row("bert")])
    person.featurise(NAME)
    erase(person, dry_run=True)
    done = erase(person)
    found = [each for each in person.ledger(subject=NAME) if each["detail"].get("why") == WHY]

    assert [("view", "ok"), ("forget", "opened"), ("forget", "ok")] == [
        (each["action"], each["outcome"]) for each in found
    ]
    assert (1, done.entry, 1) == (
        found[2]["rows"],
        found[2]["detail"]["opened"],
        found[2]["detail"]["features"],
    )
    assert WHO not in json.dumps(person.ledger(), default=str)


def test_who_may_and_what_is_refused(person: Any) -> None:
    """Only an admin; nothing under a hold, without a key, or of an unknown pipeline."""
    person.send(NAME, [row(WHO)])
    for caller in ("keeper", "writer", "reader", "auditor", "stranger"):
        with person.client(caller) as client, pytest.raises(Forbidden):
            client.forget(NAME, WHO, why=WHY)
    with person.client("admin") as client:
        for name, error in (("no-one", UnknownName), ("auto-one", Refused)):
            with pytest.raises(error):
                client.forget(name, WHO, why=WHY)
        with pytest.raises(InvalidInput) as empty:
            client.forget(NAME, "", why=WHY)
        client.hold(NAME, why="case 7")
        with pytest.raises(Refused) as held:
            client.forget(NAME, WHO, why=WHY)
        assert 1 == client.forget(NAME, WHO, why=WHY, dry_run=True).rows

    assert "key" in empty.value.field
    assert "case 7" in held.value.message
    assert stored(person, WHO)
    answer = person.raw(
        "admin", "POST", f"/v1/pipelines/{NAME}/forget", json={"key": "x" * 3_000, "why": WHY}
    )
    assert 422 == answer.status_code
    assert "xxx" not in answer.text


def test_what_is_under_way_is_said(person: Any) -> None:
    """Requests that were accepted and are not stored, and imports that have not ended."""
    report = {"host": "h", "accepted": 7, "acknowledged": 5}
    person.call("serving", "POST", f"/v1/outboxes/{OUTBOX}", json=report)
    with person.databases.connect("dataapi", "raw") as raw:
        raw.execute(
            "INSERT INTO raw.imports (pipeline, key, caller, body_sha256) "
            "VALUES (%s, 'k', 'c', '')",
            (NAME,),
        )
    done = erase(person)

    assert (7, ["k"]) == (done.under_way, done.open_imports)
    assert done.empty


def test_the_command_counts_asks_and_removes(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --yes it asks; a second run finds nothing, says so, and ends with 0."""
    person.send(NAME, [row(WHO), row("bert")])
    person.featurise(NAME)
    platform = Mock()
    platform.dataapi = lambda: person.client("admin")
    monkeypatch.setattr(command, "connect", lambda _: platform)
    given, app = ["forget", NAME, "-", "--why", WHY], application(["forget"])
    refused = CliRunner().invoke(app, given, input=f"{WHO}\nn\n")
    kept = stored(person, WHO)
    done = CliRunner().invoke(app, [*given, "--yes"], input=f"{WHO}\n")
    again = CliRunner().invoke(app, given, input=f"{WHO}\n")

    assert 1 == refused.exit_code
    assert kept
    assert (0, 0) == (done.exit_code, again.exit_code), done.output + again.output
    assert f"nothing of it is stored in {NAME}" in again.output
    assert [] == stored(person, WHO)
