"""The arithmetic of the balance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.dataapi.balance import outbox_balance, rows_balance
from mlplatform.database.balance import Gap, OutboxCount, RawRows, Warehouse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.sets(st.integers(1, 60)), st.integers(0, 70), st.booleans())
def test_an_outbox_adds_up(seen: set[int], said: int, closed: bool) -> None:
    """Accepted = stored + missing + in flight, whatever arrived; a closed outbox has nothing in flight."""
    highest = max(seen, default=0)
    holes = [Gap("o", number, number, NOW - timedelta(seconds=number)) for number in range(1, highest) if number not in seen]
    count = OutboxCount("o", "h", max(said, highest), 0, closed, {}, NOW, len(seen), 0, highest)
    line = outbox_balance(count, holes, NOW)
    missing = sum(last - first + 1 for first, last in line["missing"])

    assert line["accepted"] == line["stored"] + missing + line["in_flight"]
    assert not (closed and line["in_flight"])
    assert line["oldest_gap_s"] == max((gap.last for gap in holes), default=0)


def test_rows_of_every_kind_are_counted() -> None:
    """Applied pipelines have waiting rows and what is unaccounted; of one never applied nothing is applicable."""
    raw = [RawRows("a-b", 10, 8), RawRows("c-d", 5, 0)]

    assert {
        "a-b": {"raw": 10, "featured": 6, "quarantined": 1, "waiting": 2, "not_applicable": 0, "unaccounted": 1},
        "c-d": {"raw": 5, "featured": 0, "quarantined": 0, "waiting": 0, "not_applicable": 5, "unaccounted": 0},
        "e-f": {"raw": 0, "featured": 0, "quarantined": 0, "waiting": 0, "not_applicable": 0, "unaccounted": 0},
    } == rows_balance(raw, [Warehouse("a-b", 6, 1), Warehouse("e-f", 0, 0)])
