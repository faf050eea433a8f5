"""The arithmetic of the balance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.dataapi.balance import outbox_balance, rows_balance
from mlplatform.database.balance import Gap, OutboxCount, RawRows, Warehouse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


SILENT = timedelta(minutes=2)


def _count(accepted: int, acknowledged: int, seen: set[int], heard: datetime | None) -> OutboxCount:
    return OutboxCount(
        "o", "h", accepted, acknowledged, False, {}, heard, len(seen), 0, max(seen, default=0)
    )


@given(
    st.sets(st.integers(1, 60)),
    st.integers(0, 70),
    st.integers(0, 70),
    st.sampled_from([None, NOW, NOW - SILENT * 2]),
    st.integers(0, 70),
)
def test_an_outbox_adds_up(
    seen: set[int], said: int, acknowledged: int, heard: datetime | None, given_up: int
) -> None:
    """Accepted = stored + missing + in flight, whatever arrived and was reported when."""
    highest = max(seen, default=0)
    holes = [
        Gap("o", number, number, NOW - timedelta(seconds=number))
        for number in range(1, highest)
        if number not in seen
    ]
    accepted = max(said, acknowledged, highest)
    count = _count(accepted, acknowledged, seen, heard)
    reset = replace(count, given_up=min(given_up, acknowledged))
    line = outbox_balance(reset, holes, NOW, SILENT)
    missing = sum(last - first + 1 for first, last in line.missing)

    assert line.accepted == line.stored + missing + line.in_flight
    assert line.oldest_gap_s == max((gap.last for gap in holes), default=0)


def test_what_a_queue_that_was_reset_had_is_missing() -> None:
    """Nobody waits for it: also not of an outbox that has ended and had sent all of it."""
    before = _count(10, 8, {1, 2, 3, 4}, NOW)
    reset = replace(before, given_up=8)
    ended = replace(before, acknowledged=10, given_up=10, closed=True)
    found = replace(reset, stored=9, highest=9)
    lines = [outbox_balance(each, [], NOW, SILENT) for each in (before, reset, ended, found)]

    assert [(6, []), (2, [(5, 8)]), (0, [(5, 10)]), (1, [])] == [
        (line.in_flight, line.missing) for line in lines
    ]
    assert [True, False, False, True] == [line.whole for line in lines]


def test_what_a_silent_outbox_held_is_missing() -> None:
    """What the queue has is in flight.

    So is the rest as long as the outbox is heard of; afterwards it is missing.
    """
    heard = outbox_balance(_count(10, 6, {1, 2, 3, 4}, NOW - SILENT), [], NOW, SILENT)
    silent = outbox_balance(_count(10, 6, {1, 2, 3, 4}, NOW - SILENT * 1.01), [], NOW, SILENT)
    stored = outbox_balance(_count(10, 6, set(range(1, 9)), NOW - SILENT * 1.01), [], NOW, SILENT)

    assert (6, []) == (heard.in_flight, heard.missing)
    assert (2, [(7, 10)]) == (silent.in_flight, silent.missing)
    assert (0, [(9, 10)]) == (stored.in_flight, stored.missing)


@given(
    st.sets(st.integers(1, 40)),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=4),
    st.booleans(),
)
def test_damaged_numbers_are_counted_once(
    seen: set[int], damages: list[tuple[int, int]], ended: bool
) -> None:
    """Whatever is named as damaged, each number is stored, missing or in flight, and one of it."""
    gaps = [Gap("o", n, n, NOW) for n in range(1, max(seen, default=0)) if n not in seen]
    places = [
        {"first": first, "last": first + more, "file": "f", "offset": 0} for first, more in damages
    ]
    count = replace(_count(50, 10, seen, NOW), damaged=places, closed=ended)
    line = outbox_balance(count, gaps, NOW, SILENT)
    missing = [n for first, last in line.missing for n in range(first, last + 1)]

    assert len(missing) == len(set(missing))
    assert not seen & set(missing)
    assert line.accepted == line.stored + len(missing) + line.in_flight
    assert 0 == line.surplus


def test_rows_that_are_read_again_do_not_wait() -> None:
    """They lie behind etl's cursor and are featured already; what raw lost still shows."""
    read_again = rows_balance([RawRows("a-b", 10, 2)], [Warehouse("a-b", 8, 1)])["a-b"]
    lost = rows_balance([RawRows("a-b", 10, 10)], [Warehouse("a-b", 12, 0)])["a-b"]

    assert (1, 0) == (read_again.waiting, read_again.unaccounted)
    assert (0, -2) == (lost.waiting, lost.unaccounted)


def test_what_retention_removed_counts_as_before() -> None:
    """Removed requests with and without what came of them; what is lost beside shows as ever."""
    raw = [RawRows("a-b", 4, 4, removed=6)]
    kept = rows_balance(raw, [Warehouse("a-b", 9, 1)])["a-b"]
    gone = rows_balance(raw, [Warehouse("a-b", 4, 0, removed=6)])["a-b"]
    lost = rows_balance(raw, [Warehouse("a-b", 3, 0, removed=6)])["a-b"]

    assert [0, 0, 1] == [line.unaccounted for line in (kept, gone, lost)]
    assert (4, 6, 6) == (gone.raw, gone.removed, gone.results_removed)


def test_rows_of_every_kind_are_counted() -> None:
    """Applied pipelines have waiting rows and what is unaccounted.

    Of one never applied nothing is applicable.
    """
    raw = [RawRows("a-b", 10, 8), RawRows("c-d", 5, 0)]
    found = rows_balance(raw, [Warehouse("a-b", 6, 1), Warehouse("e-f", 0, 0)])

    assert {
        "a-b": {
            "raw": 10,
            "removed": 0,
            "results_removed": 0,
            "featured": 6,
            "quarantined": 1,
            "dropped": 0,
            "forgotten": 0,
            "waiting": 2,
            "not_applicable": 0,
            "unaccounted": 1,
        },
        "c-d": {
            "raw": 5,
            "removed": 0,
            "results_removed": 0,
            "featured": 0,
            "quarantined": 0,
            "dropped": 0,
            "forgotten": 0,
            "waiting": 0,
            "not_applicable": 5,
            "unaccounted": 0,
        },
        "e-f": {
            "raw": 0,
            "removed": 0,
            "results_removed": 0,
            "featured": 0,
            "quarantined": 0,
            "dropped": 0,
            "forgotten": 0,
            "waiting": 0,
            "not_applicable": 0,
            "unaccounted": 0,
        },
    } == {name: line.model_dump() for name, line in found.items()}


def test_rows_that_were_forgotten_are_settled() -> None:
    """They are neither features nor in quarantine, and nothing is missing."""
    raw = [RawRows("a-b", 10, 8)]
    closed = rows_balance(raw, [Warehouse("a-b", 5, 1, forgotten=2)])["a-b"]
    lost = rows_balance(raw, [Warehouse("a-b", 5, 1, forgotten=1)])["a-b"]

    assert (2, 2, 0) == (closed.forgotten, closed.waiting, closed.unaccounted)
    assert 1 == lost.unaccounted
