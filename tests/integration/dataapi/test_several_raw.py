"""The data API over two raw servers: counts, look-ups and decisions are about both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from two_raw import TOPIC, Two, away, two_raw

from mlplatform.contracts.request import new_request_id
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
    assert "raw-2" in api.call("admin", "GET", "/readyz")["degraded"]
