"""Dead letters: found, tried again, given up; each number of an outbox counts once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from mlplatform.contracts.request import RequestRecord, encode, new_request_id
from mlplatform.database import queue_entries, raw_requests
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.requests import RequestStore
from mlplatform.errors import Forbidden, InvalidInput, UnknownName

TOPIC = "mlplatform.requests"
OUTBOX = str(uuid4())


def record(number: int, **changes: Any) -> RequestRecord:
    """What serving sends."""
    values: dict[str, Any] = {
        "outbox_id": OUTBOX,
        "sequence": number,
        "request_id": new_request_id(),
        "pipeline": "manual-one",
        "version": "1",
        "caller": "me",
        "received_us": 1_700_000_000_000_000,
        "rows": 1,
        "inputs": {"width": [2.5]},
        "outputs": {"kind": ["rose"]},
    }
    return RequestRecord(**(values | changes))


@pytest.fixture
def consume(databases: Any) -> Iterator[Callable[..., None]]:
    """Store records as the consumer does: (bytes, why the database refused it then or None)."""
    settings = databases.settings("consumer")
    pool = PrimaryPool(settings.raw_dsn, settings, name="consumer")
    store = RequestStore(pool, topic=TOPIC)

    def keep(*payloads: tuple[bytes, str | None]) -> None:
        first = store.positions([0]).get(0, 0)
        entries = [
            queue_entries.entry(payload, partition=0, offset=offset)
            if why is None
            else queue_entries.dead_letter(payload, "refused", why, partition=0, offset=offset)
            for offset, (payload, why) in enumerate(payloads, start=first)
        ]
        store.store(entries, holes={})

    yield keep
    pool.close()


def balance(api: Any) -> tuple[int, int, int, int, bool]:
    """(stored, dead letters) of the outbox, the same over all, and whether nothing is missing."""
    api.databases.catch_up()
    with api.client("admin") as client:
        sheet = client.balance()
    (box,) = sheet.outboxes
    total = sheet.requests
    return box.stored, box.dead_lettered, total.stored, total.dead_lettered, box.whole


def test_letters_are_found_counted_and_shown(api: Any, consume: Any) -> None:
    """By kind, pipeline, numbers, reason and time; a payload that is no text comes in base64."""
    wrong = encode(record(2, format=7))
    consume(
        (encode(record(1)), None),
        (wrong, None),
        (encode(record(3, kind="oversize", reason="the record of 9 bytes is too large")), None),
        (b"\xff\x00", None),
        (encode(record(4)), "the database refuses a record: value 17 is out of range"),
    )
    with api.client("admin") as client:
        everything = client.dead_letters()
        pages = [client.dead_letters(limit=3)]
        pages.append(client.dead_letters(limit=3, before=pages[0][-1].id))
        kinds = client.dead_letter_counts()
        large = client.dead_letters(kind="oversize", pipeline="manual-one", outbox_id=OUTBOX)
        ranged = client.dead_letters(reason="value … is out of range")
        by_request = client.dead_letters(request_id=everything[0].request_id)
        binary = client.dead_letter(everything[1].id)
        readable = client.dead_letter(everything[3].id)
        with pytest.raises(UnknownName, match="no such dead letter"):
            client.dead_letter(999_999)

    assert ["refused", "unreadable", "oversize", "unreadable"] == [each.kind for each in everything]
    assert everything == [*pages[0], *pages[1]]
    assert ["manual-one", None, "manual-one", "manual-one"] == [
        each.pipeline for each in everything
    ]
    assert "the database refuses a record: value … is out of range" in {
        each.reason for each in kinds
    }
    assert [[3], [4], [4]] == [
        [each.sequence for each in found] for found in (large, ranged, by_request)
    ]
    assert ("base64", "/wA=", 2) == (binary.encoding, binary.payload, binary.size)
    assert ("utf-8", wrong.decode()) == (readable.encoding, readable.payload)


def test_a_letter_that_can_be_read_now_becomes_its_request(api: Any, consume: Any) -> None:
    """Once: its number counts as stored, no longer as a dead letter, and the queue is as it was."""
    sent = record(2)
    consume((encode(record(1)), None), (encode(sent), "the database refuses it"), (b"?", None))
    before = balance(api)
    queue = api.call("admin", "GET", "/v1/queue")["places"]
    with api.client("admin") as client:
        noise, letter = client.dead_letters()
        would = client.redrive_letters(kind="refused", dry_run=True)
        done = client.redrive_letters([letter.id], why="the column is wider now")
        again = client.redrive_letters([letter.id])
        found = client.dead_letter(letter.id)
    with api.databases.connect("etl", "raw") as connection:
        (stored,) = raw_requests.by_id(connection, [sent.request_id])
    entry = api.ledger(action="redrive", outcome="ok")[-2]

    assert (1, 1, 2) == (*before[:2], before[3])
    assert (1, 1, 0, []) == (would.redriven, done.redriven, done.still_dead, done.skipped)
    assert (0, "it was made a row by 'admin'") == (again.redriven, again.skipped[0].reason[:28])
    assert ("resolved", "admin", "the column is wider now") == (
        found.state,
        found.resolved_by,
        found.resolved_why,
    )
    assert (f"redrive:{TOPIC}", "serving", {"width": [2.5]}) == (
        stored.topic,
        stored.source,
        json.loads(stored.inputs),
    )
    assert (2, 0, 2, 1, True) == balance(api)  # the noise shows no number of an outbox
    assert queue == api.call("admin", "GET", "/v1/queue")["places"]
    assert ("deadletters", 1, "the column is wider now") == (
        entry["subject"],
        entry["rows"],
        entry["detail"]["why"],
    )
    assert "open" == noise.state


def test_redriven_rows_reach_the_features(api: Any, consume: Any) -> None:
    """Their topic is read by etl like any other, a second letter behind a first one too."""
    for sequence in (1, 2):
        consume((encode(record(sequence)), "the database refuses it"))
        with api.client("admin") as client:
            client.redrive_letters(kind="refused")
        api.featurise("manual-one")
    line = api.call("reader", "GET", "/v1/balance")["rows"]["manual-one"]

    assert (2, 2, 0, 0) == tuple(
        line[name] for name in ("raw", "featured", "waiting", "unaccounted")
    )


def test_a_letter_that_still_can_not_be_read_stays(api: Any, consume: Any) -> None:
    """It gets the newest reason; those beside it become rows all the same."""
    consume(
        (encode(record(1, format=7)), "an old reason"),
        (encode(record(2)), "the database refuses it"),
        (encode(record(3, received_us=-(10**17))), "an old reason"),
    )
    with api.client("admin") as client:
        last, _, first = client.dead_letters()
        done = client.redrive_letters(kind="refused")
        left = client.dead_letters()

    assert (1, 2, [first.id, last.id]) == (
        done.redriven,
        done.still_dead,
        [each.id for each in done.skipped],
    )
    assert ["unreadable", "neither 1 nor 2"] == [left[1].kind, left[1].reason[-15:]]
    assert all(each.tried_at and each.reason != "an old reason" for each in left)
    assert (1, 2, 1, 2, True) == balance(api)


def test_a_corrected_record_takes_the_place_of_a_letter(api: Any, consume: Any) -> None:
    """Its numbers must be the letter's, and nobody else's; the letter keeps what came."""
    sent, other = record(2, format=7), record(1)
    consume((encode(other), None), (encode(sent), None), (b"?", None))

    def correct(number: int, **changes: Any) -> Any:
        payload = encode(record(2, **{"request_id": sent.request_id} | changes)).decode()
        with api.client("admin") as client:
            return client.redrive_letters([number], payload=payload, why="mended")

    with api.client("admin") as client:
        noise, letter = client.dead_letters()
        with pytest.raises(InvalidInput, match="for one letter"):
            client.redrive_letters([noise.id, letter.id], payload="{}")
    reasons = [
        correct(letter.id, sequence=3).skipped[0].reason,
        correct(letter.id, request_id=new_request_id()).skipped[0].reason,
        correct(noise.id, sequence=1).skipped[0].reason,
        correct(letter.id, rows=0).skipped[0].reason,
    ]
    done = correct(letter.id, inputs={"width": [7]})
    with api.client("admin") as client:
        kept = client.dead_letter(letter.id)
    with api.databases.connect("etl", "raw") as connection:
        (stored,) = raw_requests.by_id(connection, [sent.request_id])

    assert [
        "the letter's sequence is 2, not 3",
        f"request {other.request_id} is stored as number 1 of outbox {OUTBOX}",
    ] == [reasons[0], reasons[2]]
    assert reasons[1].startswith(f"the letter's request_id is {sent.request_id}, not ")
    assert "0 rows" in reasons[3]
    assert (1, {"width": [7]}) == (done.redriven, json.loads(stored.inputs))
    assert (encode(sent).decode(), "mended") == (kept.payload, kept.resolved_why)
    assert "payload" not in api.ledger(action="redrive", outcome="ok")[-1]["detail"]


def test_a_record_that_came_twice_counts_once(api: Any, consume: Any) -> None:
    """As a row and as a letter: the balance knows one record, and a redrive finds it stored."""
    sent = record(1)
    consume((encode(sent), "the database refuses it"), (encode(sent), None))
    before = balance(api)
    with api.client("admin") as client:
        done = client.redrive_letters(kind="refused")

    assert (1, 0, 1, 0, True) == before == balance(api)
    assert (1, 0) == (done.redriven, done.still_dead)


def test_many_letters_are_redriven_in_pieces(api: Any, consume: Any) -> None:
    """Each piece is a transaction; none is left out between them, however many fail."""
    consume(
        *((encode(record(number, rows=number % 3)), "an old reason") for number in range(1, 121))
    )
    with api.client("admin") as client:
        done = client.redrive_letters(kind="refused")

    assert (80, 40) == (done.redriven, done.still_dead)
    assert (80, 40, 80, 40, True) == balance(api)


def test_a_drop_is_for_good_and_says_why(api: Any, consume: Any) -> None:
    """The letter stays, is not tried again, and the balance still counts its number."""
    consume((encode(record(1)), "the database refuses it"), (b"?", None))
    with api.client("admin") as client:
        with pytest.raises(InvalidInput, match="ids or a filter"):
            client.drop_letters(why="all of it")
        noise, letter = client.dead_letters()
        dropped = client.drop_letters([letter.id, 999_999], why="a test")
        tried = client.redrive_letters([letter.id])
        left = client.dead_letters()
        found = client.dead_letters(state="dropped")

    assert (1, "no such dead letter") == (dropped.dropped, dropped.skipped[0].reason)
    assert (0, True) == (tried.redriven, "dropped by 'admin'" in tried.skipped[0].reason)
    assert ([noise.id], [("a test", "admin")]) == (
        [each.id for each in left],
        [(each.dropped_why, each.dropped_by) for each in found],
    )
    assert (0, 1, 0, 2, True) == balance(api)


@pytest.mark.parametrize("caller", ["reader", "writer", "stranger"])
def test_letters_are_for_admins_of_all_pipelines(api: Any, consume: Any, caller: str) -> None:
    """A payload may be anybody's: other roles are refused, and admins of some pipelines."""
    consume((encode(record(1)), "the database refuses it"))
    with api.client(caller) as client:
        for call in (
            client.dead_letters,
            client.dead_letter_counts,
            lambda: client.dead_letter(1),
            lambda: client.redrive_letters([1]),
            lambda: client.drop_letters([1], why="mine"),
        ):
            with pytest.raises(Forbidden):
                call()

    assert (0, 1) == balance(api)[:2]


def test_two_redrives_at_once_store_each_letter_once(api: Any, consume: Any) -> None:
    """The second one waits, and finds what the first one has left."""
    consume(*((encode(record(number)), "an old reason") for number in range(1, 151)))

    def redrive() -> int:
        with api.client("admin") as client:
            return client.redrive_letters(kind="refused").redriven

    with ThreadPoolExecutor(3) as threads:
        done = [each.result() for each in [threads.submit(redrive) for _ in range(3)]]

    assert 150 == sum(done)
    assert (150, 0, 150, 0, True) == balance(api)
