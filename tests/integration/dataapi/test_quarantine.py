"""The quarantine: its entries, trying rows again, and giving them up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlplatform.contracts.request import new_request_id
from mlplatform.database import quarantine
from mlplatform.database.quarantine import BadRow
from mlplatform.errors import Forbidden, InvalidInput, UnknownName


def test_quarantined_rows_can_be_tried_again(api: Any) -> None:
    """A redrive marks unresolved rows, all or by id.

    What can't be tried again is named with the reason.
    """
    api.send("manual-one", [{"width": "wide"}, {"width": "wider"}])
    api.featurise("manual-one")
    api.call(
        "writer",
        "POST",
        "/v1/datasets/manual-one.requests/rows",
        content=b"nonsense",
        headers={"Content-Type": "application/x-ndjson"},
    )
    line, second, first = (
        entry["id"]
        for entry in api.call("reader", "GET", "/v1/quarantine", params={"pipeline": "manual-one"})
    )
    some = api.call(
        "writer",
        "POST",
        "/v1/quarantine/redrive",
        json={"pipeline": "manual-one", "ids": [first, line, 999_999]},
    )
    everything = api.call(
        "writer", "POST", "/v1/quarantine/redrive", json={"pipeline": "manual-one"}
    )

    assert (1, [line, 999_999]) == (some["redriven"], [item["id"] for item in some["skipped"]])
    assert [
        "it never became a row: correct it and send it again",
        "no such entry of 'manual-one'",
    ] == [item["reason"] for item in some["skipped"]]
    assert {"redriven": 2, "skipped": []} == everything
    assert second in [
        entry["id"] for entry in api.call("reader", "GET", "/v1/quarantine") if entry["redrive_at"]
    ]
    with pytest.raises(Forbidden):
        api.call("reader", "POST", "/v1/quarantine/redrive", json={"pipeline": "manual-one"})
    assert [] == api.call("stranger", "GET", "/v1/quarantine")


def test_entries_are_counted_and_found_by_their_reason(api: Any) -> None:
    """Values are left out of the reasons that are counted; what is counted can be listed."""
    api.send("manual-one", [{"width": -5.5}])
    keep(api, "manual-one", ["-5.5 is below 0", "-7 is below 0", "'x_y' is not a number"])
    with api.client("reader") as client:
        counts = client.quarantine_counts("manual-one")
        below = client.quarantine("manual-one", reason="… is below 0")
        literal = client.quarantine("manual-one", reason="x_y")
        first = client.quarantine("manual-one", limit=2)
        second = client.quarantine("manual-one", limit=2, before=first[-1].id)
        labels = client.quarantine("manual-one", kind="label")
        later = client.quarantine("manual-one", since=datetime.now(UTC) + timedelta(hours=1))

    assert [("… is below 0", 2), ("… is not a number", 1)] == [
        (each.reason, each.entries) for each in counts
    ]
    assert ["-7 is below 0", "-5.5 is below 0"] == [each.reason for each in below]
    assert ["'x_y' is not a number"] == [each.reason for each in literal]
    assert [2, 1] == [len(first), len(second)]
    assert {0, 1, 2} == {each.row for each in [*first, *second]}
    assert [] == labels == later


def test_a_drop_is_for_good_and_says_why(api: Any) -> None:
    """A dropped entry can't be tried again, keeps who and why, and the balance still closes."""
    api.send("manual-one", [{"width": "wide"}, {"width": "wider"}, {"width": 3.5}])
    api.featurise("manual-one")
    with api.client("writer") as client:
        second, first = client.quarantine("manual-one")
        dropped = client.drop_quarantined(None, [first.id, 999_999], why="a broken sensor")
        again = client.drop_quarantined("manual-one", [first.id], why="once more")
        tried = client.redrive("manual-one", [first.id])
        left = client.quarantine("manual-one")
        found = client.quarantine_entry(first.id)
        with pytest.raises(InvalidInput, match="ids or a filter"):
            client.drop_quarantined("manual-one", why="all of it")
        with pytest.raises(InvalidInput):
            client.drop_quarantined("manual-one", [second.id], why="  ")
    api.databases.catch_up()
    balance = api.call("reader", "GET", "/v1/balance")["rows"]["manual-one"]
    path = f"/v1/pipelines/manual-one/features/{'d' * 64}"
    progress = api.call("reader", "GET", path)
    (entry, _) = api.ledger(action="drop", outcome="ok")[:2]

    assert (1, [(999_999, "no such entry")]) == (
        dropped.dropped,
        [(each.id, each.reason) for each in dropped.skipped],
    )
    assert (0, 0) == (again.dropped, tried.redriven)
    assert all("dropped by 'writer'" in done.skipped[0].reason for done in (again, tried))
    assert [second.id] == [each.id for each in left]
    assert ("dropped", "writer", "a broken sensor", "wide") == (
        found.state,
        found.dropped_by,
        found.dropped_why,
        found.payload["width"],
    )
    assert (3, 1, 1, 1, 0) == tuple(
        balance[name] for name in ("raw", "featured", "quarantined", "dropped", "unaccounted")
    )
    assert (2, 1) == (progress["quarantined"], progress["dropped"])
    assert ("writer", 1, "a broken sensor") == (
        entry["caller"],
        entry["rows"],
        entry["detail"]["why"],
    )


def test_entries_of_other_pipelines_are_unknown(api: Any) -> None:
    """A token for one pipeline neither sees, redrives nor drops what another one holds."""
    api.send("manual-one", [{"width": "wide"}])
    api.featurise("manual-one")
    with api.client("reader") as reader:
        (entry,) = reader.quarantine("manual-one")
    with api.client("limited") as limited:
        with pytest.raises(UnknownName, match="no such entry"):
            limited.quarantine_entry(entry.id)
        dropped = limited.drop_quarantined(None, [entry.id], why="not mine")
        tried = limited.redrive(None, [entry.id])
        with pytest.raises(Forbidden):
            limited.drop_quarantined("manual-one", [entry.id], why="not mine")
        assert [] == limited.quarantine() == limited.quarantine_counts()

    assert (0, 0) == (dropped.dropped, tried.redriven)
    assert "no such entry of 'auto-one'" == tried.skipped[0].reason


def test_a_dry_run_changes_nothing(api: Any) -> None:
    """It only counts, and the ledger says that it was none."""
    keep(api, "manual-one", ["-5.5 is below 0", "is null"])
    with api.client("writer") as client:
        would = client.redrive("manual-one", reason="below", dry_run=True)
        given_up = client.drop_quarantined("manual-one", reason="below", why="x", dry_run=True)
        left = client.quarantine("manual-one")

    assert (1, 1, 2) == (would.redriven, given_up.dropped, len(left))
    assert [None, None] == [each.redrive_at for each in left]
    assert {"dry_run": True, "reason": "below", "why": "x"} == (
        api.ledger(action="drop")[-1]["detail"]
    )


def test_a_hundred_thousand_rows_are_redriven_in_pieces(api: Any) -> None:
    """Each piece is a transaction with its ledger entry, and a filter leaves others alone."""
    with api.databases.connect("owner", "warehouse") as connection:
        connection.execute(
            "INSERT INTO warehouse.quarantine (pipeline, digest, request_id, row, reason, payload)"
            " SELECT 'manual-one', %s, gen_random_uuid(), 0,"
            " CASE WHEN n > 99998 THEN 'is null' ELSE n || ' is above 0' END, '{}'"
            " FROM generate_series(1, 100000) AS n",
            ("d" * 64,),
        )
    with api.client("writer") as client:
        done = client.redrive("manual-one", reason="is above 0", why="the range was wrong")
        (counted, others) = client.quarantine_counts("manual-one")
    pieces = [entry["rows"] for entry in api.ledger(action="redrive", outcome="ok")]

    assert (99_998, 99_998, 2) == (done.redriven, counted.entries, others.entries)
    assert [10_000] * 9 + [9_998] == pieces


def test_a_row_is_either_redriven_or_dropped(api: Any) -> None:
    """Both at once: whichever comes second finds the entry as the first one left it."""
    keep(api, "manual-one", ["is null"] * 50)

    def drop() -> int:
        with api.client("writer") as client:
            return client.drop_quarantined("manual-one", reason="null", why="a race").dropped

    def redrive() -> int:
        with api.client("writer") as client:
            return client.redrive("manual-one").redriven

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(each) for each in (redrive, drop, redrive, drop)]
        done = [each.result() for each in work]
    with api.databases.connect("etl", "warehouse") as connection:
        claimed = quarantine.claim_redrives(connection, "manual-one", "d" * 64, limit=100)

    assert 50 == done[1] + done[3]
    assert [] == claimed


def keep(api: Any, pipeline: str, reasons: list[str]) -> None:
    """Rows in quarantine for these reasons, as etl keeps them."""
    request_id = new_request_id()
    bad = [
        BadRow(request_id, row, "width", reason, {"width": row})
        for row, reason in enumerate(reasons)
    ]
    with api.databases.connect("etl", "warehouse") as connection, connection.transaction():
        quarantine.keep(connection, pipeline, "d" * 64, bad)


def test_a_row_is_corrected_through_the_data_api(api: Any) -> None:
    """Texts are read by the declared types; the entry waits for etl, and says since when."""
    api.send("manual-one", [{"width": "wide", "colour": "red"}])
    api.featurise("manual-one")
    with api.client("writer") as client:
        (entry,) = client.quarantine("manual-one")
        with pytest.raises(InvalidInput, match="'broad' is a string, not a number") as refused:
            client.correct_quarantined(entry.id, texts={"width": "broad"}, why="a typo")
        done = client.correct_quarantined(
            entry.id, {"kind": "rose"}, texts={"width": "3.50", "colour": ""}, why="a typo"
        )
        found = client.quarantine_entry(entry.id)
        with pytest.raises(InvalidInput):
            client.correct_quarantined(entry.id, {"width": 1}, why=" ")
    (noted,) = api.ledger(action="correct", outcome="ok")
    (denied,) = api.ledger(action="correct", outcome="InvalidInput", columns=None)[:1]

    assert "width" == refused.value.field
    assert ({"kind": "rose", "width": 3.5, "colour": None}, 1) == (done.fields, done.redriven)
    assert (True, True, "open") == (
        found.redrive_at is not None,
        found.corrected_at is not None,
        found.state,
    )
    assert (["colour", "kind", "width"], "manual-one.quarantine", "a typo") == (
        noted["columns"],
        noted["subject"],
        noted["detail"]["why"],
    )
    assert "the row would still be refused" == denied["detail"]["reason"]


def test_a_correction_needs_the_right_to_its_pipeline(api: Any) -> None:
    """Readers are refused; a writer of another pipeline does not even learn that it is there."""
    api.send("manual-one", [{"width": "wide"}])
    api.featurise("manual-one")
    with api.client("reader") as client:
        (entry,) = client.quarantine("manual-one")
        with pytest.raises(Forbidden):
            client.correct_quarantined(entry.id, {"width": 1}, why="mine")
    with api.client("limited") as client, pytest.raises(UnknownName, match="no such entry"):
        client.correct_quarantined(entry.id, {"width": 1}, why="mine")
