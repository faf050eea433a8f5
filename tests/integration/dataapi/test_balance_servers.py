"""The balance of two raw servers from what a proof has kept on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from retained import closed
from two_raw import Two, two_raw

from mlplatform.contracts.balance import BalanceSheet
from mlplatform.database import united_gaps

MOMENTS: dict[str, Any] = {"proven_at": True, "outboxes": {"__all__": {"oldest_gap_s"}}}


@pytest.fixture
def two(
    databases: Any, start: Callable[..., Any], tmp_path: Path, wait: Callable[..., Any]
) -> Iterator[Two]:
    """Partitions move only when the test says so: 2 and 3 lie on the second."""
    with two_raw(databases, start, tmp_path, wait) as found:
        found.moves.stop()
        yield found


def taken(two: Two, *, prove: bool = False) -> BalanceSheet:
    """The balance, or a proof of it."""
    two.raw.of["raw"].catch_up()
    with two.api.client("admin") as client:
        sheet = client.prove_balance() if prove else client.balance()
    two.raw.of["raw"].catch_up()
    return sheet


def same(two: Two) -> BalanceSheet:
    """The balance; asserts that counting all rows of both servers gives the same."""
    quick, proof = taken(two), taken(two, prove=True)
    assert proof.model_dump(exclude=MOMENTS) == quick.model_dump(exclude=MOMENTS)
    return quick


def test_two_servers_keep_what_they_have(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers above those that are proven are looked for on both, also after a move.

    One that was used on both is told, and one that is lost on either is, at once or by the proof.
    """
    looked: list[dict[str, int]] = []
    gaps = united_gaps.gaps

    def noted(servers: Any, highest: Any, known: Any) -> Any:
        looked.append(dict(known))
        return gaps(servers, highest, known)

    monkeypatch.setattr(united_gaps, "gaps", noted)
    two.store(*range(1, 9))
    two.featurise()
    first = same(two)
    two.store(9, 10, 12)
    second = taken(two)
    two.move(1, "raw-2")
    two.store(11, 13)
    moved = same(two)
    two.store(14)
    for databases in two.raw.of.values():
        with databases.connect("postgres", "raw") as raw:
            raw.execute("SET session_replication_role = replica")
            raw.execute("DELETE FROM raw.requests WHERE sequence IN (3, 4)")
    behind, proof = taken(two), taken(two, prove=True)
    two.lose(6)
    lost = same(two)

    assert [{}, {two.outbox: 8}] == [looked[0], looked[3]]
    assert [[], [(11, 11)], [], []] == [
        sheet.outboxes[0].missing for sheet in (first, second, moved, behind)
    ]
    assert [True, True] == [sheet.outboxes[0].whole for sheet in (moved, behind)]
    assert closed(first)
    assert [[(3, 4)], [(3, 4), (6, 6)]] == [sheet.outboxes[0].missing for sheet in (proof, lost)]
    assert [(two.outbox, 14, 12, [(3, 4)])] == [
        (each.of, each.kept, each.found, each.numbers)
        for each in proof.differences
        if each.what == "records"
    ]
