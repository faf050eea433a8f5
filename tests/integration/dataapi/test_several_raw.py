"""The data API over two raw servers: counts, look-ups and decisions are about both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from two_raw import TOPIC, Two, away, two_raw

from mlplatform.contracts import shards
from mlplatform.contracts.request import encode, new_request_id
from mlplatform.errors import Unavailable


@pytest.fixture
def two(
    databases: Any, start: Callable[..., Any], tmp_path: Path, wait: Callable[..., Any]
) -> Iterator[Two]:
    """Two raw servers over which the data API has spread four partitions."""
    with two_raw(databases, start, tmp_path, wait) as found:
        yield found


def test_the_balance_is_of_both(two: Two) -> None:
    """Numbers of one outbox lie on both: together they have no gap, and a lost one is named."""
    two.store(*range(1, 41))
    two.featurise()
    sheet = two.api.call("reader", "GET", "/v1/balance")
    (box,) = sheet["outboxes"]
    assert (40, 40, [], 0) == (box["accepted"], box["stored"], box["missing"], box["surplus"])
    rows = sheet["rows"]["manual-one"]
    assert (40, 40, 0, 0) == tuple(
        rows[name] for name in ("raw", "featured", "waiting", "unaccounted")
    )
    assert {"stored": 40, "dead_lettered": 0} == sheet["requests"]

    two.lose(17)
    two.lose(18)
    (box,) = two.api.call("reader", "GET", "/v1/balance")["outboxes"]
    assert [[17, 18]] == box["missing"]
    assert 0 < box["oldest_gap_s"]


def test_a_number_that_both_have_hides_none_that_is_lost(two: Two) -> None:
    """As many records as numbers, but one of them is on both servers and another on neither."""
    two.store(*range(1, 41))
    here, there = (next(n for n in (1, 2, 3, 4) if two.shard(n) == each) for each in two.stores)
    two.execute("UPDATE raw.requests SET sequence = %s WHERE sequence = %s", here, there)
    (box,) = two.api.call("reader", "GET", "/v1/balance")["outboxes"]

    assert (40, [[there, there]], 1) == (box["stored"], box["missing"], box["surplus"])


def test_labels_find_their_requests_on_either(two: Two) -> None:
    """A label without a pipeline gets that of its request, wherever that lies."""
    two.store(1, 2, 3, 4)
    items = [{"request_id": two.ids[n], "row": 0, "label": "rose"} for n in (1, 2, 3, 4)]
    answer = two.api.call("writer", "POST", "/v1/feedback", json={"labels": items})
    assert (4, []) == (answer["accepted"], answer["refused"])


def test_letters_of_both_are_listed_shown_and_dropped(two: Two) -> None:
    """Their ids tell the server; a filter is about both."""
    two.store(1, 2, 3, 4, broken=True)
    with two.api.client("admin") as client:
        listed = client.dead_letters()
        ids = [each.id for each in listed]
        assert sorted(ids, reverse=True) == ids
        assert 2 == sum(each >= 10**12 for each in ids)
        assert {1, 2, 3, 4} == {each.sequence for each in listed}
        assert [4] == [each.letters for each in client.dead_letter_counts()]
        assert {*ids} == {client.dead_letter(each).id for each in ids}
    drop = {"ids": [*ids, 5 * 10**12], "why": "a test"}
    dropped = two.api.call("admin", "POST", "/v1/deadletters/drop", json=drop)
    assert (4, [5 * 10**12]) == (dropped["dropped"], [each["id"] for each in dropped["skipped"]])


def outbox(two: Two) -> tuple[int, int, list[Any], int]:
    """Stored, dead-lettered, missing and surplus of the one outbox."""
    two.raw.of["raw"].catch_up()
    (box,) = two.api.call("reader", "GET", "/v1/balance")["outboxes"]
    return box["stored"], box["dead_lettered"], box["missing"], box["surplus"]


def open_letters(two: Two) -> list[tuple[str, int | None]]:
    """Server and number of the letters that a person may decide about."""
    with two.api.client("admin") as client:
        return sorted((shards.of_id(each.id), each.sequence) for each in client.dead_letters())


def requests(two: Two) -> list[str]:
    """The ids of all rows, of both servers."""
    return sorted(str(found) for (found,) in two.raw.rows("SELECT request_id FROM raw.requests"))


def other(shard: str) -> str:
    """The server beside this one."""
    return "raw" if shard == "raw-2" else "raw-2"


@pytest.mark.parametrize("first", ["raw", "raw-2"])
def test_a_dead_letter_that_comes_again_counts_once(two: Two, first: str) -> None:
    """On the server that had its record before; one whose record none has stays a letter.

    What comes again as a row resolves its letter. All are redriven to one row a request, and the
    letters that retention removes then were none of the records.
    """
    two.moves.stop()
    part, last = next(part for part, shard in two.holders().items() if shard == first), other(first)
    letter, row, mended, gone = numbers = [number for number in range(1, 17) if number % 4 == part]
    two.store(*(number for number in range(1, 17) if number not in numbers))
    sent = {number: encode(two.record(number)) for number in numbers}
    two.put({number: sent[number] for number in (letter, mended, gone)}, refused="too wide")
    two.put({row: sent[row]})
    two.move(part, last)
    two.execute("DELETE FROM raw.dead_letters WHERE sequence = %s", gone)
    two.put({number: sent[number] for number in (letter, row, gone)}, refused="too wide")
    two.put({mended: sent[mended]})
    assert (13, 2, 0) == tuple(outbox(two)[each] for each in (0, 1, 3))

    two.settle()
    assert (14, 2, [], 0) == outbox(two)
    assert sorted([(first, letter), (last, gone)]) == open_letters(two)
    with two.api.client("admin") as client:
        (resolved,) = client.dead_letters(state="resolved")
        dropped = client.dead_letters(state="dropped")
        done = client.redrive_letters(kind="refused", why="the column is wider now")
    assert (mended, f"it has come again, and is a row of {last}") == (
        resolved.sequence,
        resolved.resolved_why,
    )
    assert {letter, row} == {each.sequence for each in dropped}
    assert {f"it has come again, and lies on {first}"} == {each.dropped_why for each in dropped}
    assert (2, 0) == (done.redriven, done.still_dead)
    assert (16, 0, [], 0) == outbox(two)
    two.execute("SELECT raw.remove_dead_letters(now() + interval '1 day', 100)")
    assert (16, 0, [], 0) == outbox(two)
    assert sorted(two.ids.values()) == requests(two)


def test_a_number_that_was_used_twice_is_no_repetition(two: Two) -> None:
    """The letter of another request stays, and can't become a row while its number is taken."""
    two.moves.stop()
    part, source = next(iter(two.holders().items()))
    number = part or 4
    two.store(*range(1, 9))
    two.move(part, other(source))
    two.put({number: encode(two.record(number))}, refused="too wide")
    two.settle()
    assert [(other(source), number)] == open_letters(two)
    assert 1 == outbox(two)[3]
    with two.api.client("admin") as client:
        done = client.redrive_letters(kind="refused")
        (letter,) = client.dead_letters()
    assert (0, 1) == (done.redriven, done.still_dead)
    assert f"is stored as number {number} of outbox {two.outbox}" in letter.reason
    assert 8 == len(requests(two))


def test_letters_of_one_request_become_one_row(two: Two) -> None:
    """Two servers have letters of the same requests that show no number, and redrive at once."""
    two.moves.stop()
    count = 20
    sent = {4 * each: encode(two.record(4 * each)) for each in range(1, count + 1)}
    two.put(sent, refused="too wide")
    two.move(0, other(two.holders()[0]))
    two.put(sent, refused="too wide")
    two.execute(
        "UPDATE raw.dead_letters SET outbox_id = NULL, sequence = NULL, elsewhere = DEFAULT"
    )
    with two.api.client("admin") as client:
        ids = {each: list[int]() for each in two.raw.of}
        for letter in client.dead_letters():
            ids[shards.of_id(letter.id)].append(letter.id)
    both = Barrier(2)

    def redrive(shard: str) -> int:
        with two.api.client("admin") as client:
            both.wait(10)
            return client.redrive_letters(ids[shard], why="at once").redriven

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(redrive, ids))
    assert ([count, count], [count, count]) == ([len(some) for some in ids.values()], done)
    assert sorted(two.ids.values()) == requests(two)
    assert (count, 0) == outbox(two)[:2]


def test_the_queue_is_shown_and_reset_on_both(two: Two) -> None:
    """Each partition once, with its server; a reset gives up all of them."""
    two.store(*range(8))
    places = two.api.call("admin", "GET", "/v1/queue")["places"]
    assert two.holders() == {each["partition"]: each["shard"] for each in places}
    assert [2] * 4 == [each["next_offset"] for each in places]
    two.api.call("admin", "POST", "/v1/queue/reset", json={"topic": TOPIC})
    query = "SELECT partition FROM raw.offsets WHERE resume_at IS NOT NULL ORDER BY partition"
    assert [0, 1, 2, 3] == sorted(part for (part,) in two.raw.rows(query))


def test_the_progress_of_features_waits_for_both(two: Two) -> None:
    """A digest is ready when etl has passed the requests of every server."""
    two.store(1, 2, 3, 4)
    progress = f"/v1/pipelines/manual-one/features/{'d' * 64}"
    two.api.featurise("manual-one")
    assert 2 == two.api.call("trainer", "GET", progress)["waiting_requests"]
    two.featurise()
    assert 0 == two.api.call("trainer", "GET", progress)["waiting_requests"]


def test_a_server_that_is_away_is_named_and_the_rest_goes_on(
    two: Two, start: Callable[..., Any], tmp_path: Path
) -> None:
    """The data API stays ready; what needs all servers is refused, what one has is found."""
    two.store(1, 2, 3, 4)
    here = next(n for n in (1, 2, 3, 4) if two.shard(n) == "raw")
    api = away(two, start, tmp_path / "other")

    item = {"row": 0, "label": "rose"}
    known = {"labels": [item | {"request_id": two.ids[here]}]}
    assert 1 == api.call("writer", "POST", "/v1/feedback", json=known)["accepted"]
    nowhere = {"labels": [item | {"request_id": new_request_id()}]}
    with pytest.raises(Unavailable, match="database raw-2"):
        api.call("writer", "POST", "/v1/feedback", json=nowhere)
    with pytest.raises(Unavailable, match="raw-2"):
        api.call("reader", "GET", "/v1/balance")
    with pytest.raises(Unavailable, match="raw-2-replica"):
        api.call("reader", "GET", "/v1/datasets/manual-one.requests")
    with pytest.raises(Unavailable, match="raw-2"):
        api.call("admin", "POST", "/v1/deadletters/redrive", json={"kind": "refused"})
    assert "raw-2" in api.call("admin", "GET", "/readyz")["degraded"]
