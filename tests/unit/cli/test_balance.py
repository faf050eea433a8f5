"""`mlplatform balance`: what it says of an outbox, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.cli import data
from mlplatform.contracts.balance import (
    BalanceDifference,
    BalanceSheet,
    OutboxBalance,
    RequestsBalance,
)

DAMAGED = {"first": 3, "last": 4, "file": "00000000000000000001.segment", "offset": 90}


def outbox(**changes: Any) -> OutboxBalance:
    values: dict[str, Any] = {
        "outbox_id": "0f2c",
        "host": "pod",
        "accepted": 7,
        "acknowledged": 7,
        "stored": 7,
        "dead_lettered": 0,
        "in_flight": 0,
        "missing": [],
        "oldest_gap_s": 0.0,
        "versions": {},
        "closed": False,
        "seen_at": None,
    }
    return OutboxBalance.model_validate(values | changes)


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({}, False),
        ({"stored": 5, "in_flight": 2}, False),
        ({"copies": 2}, False),  # each was told in time
        ({"stored": 5, "missing": [(3, 4)]}, True),
        ({"used_twice": [(3, 3)], "surplus": 1, "stored": 8}, True),
        ({"stored": 8}, True),
        ({"stored": 7, "dead_lettered": 1}, True),
    ],
)
def test_only_a_whole_balance_ends_with_0(changes: dict[str, Any], lost: bool) -> None:
    """More stored than accepted is as bad as less."""
    sheet = BalanceSheet(
        outboxes=[outbox(), outbox(**changes)],
        requests=RequestsBalance(stored=5, dead_lettered=0),
        rows={},
    )

    assert lost == data._lost(sheet)


def test_a_proof_that_finds_other_rows_ends_with_1() -> None:
    """Also where nothing is missing by its number: rows of imports have none."""
    gone = BalanceDifference(of="churn", what="raw rows", kept=7, found=6)
    requests = RequestsBalance(stored=7, dead_lettered=0)
    sheet = BalanceSheet(outboxes=[outbox()], requests=requests, rows={}, differences=[gone])

    assert data._lost(sheet)


def test_what_is_wrong_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged records with their place, numbers of two requests, and copies."""
    data._print_outboxes(
        [
            outbox(
                missing=[(3, 4)],
                damaged=[DAMAGED],
                used_twice=[(1, 1), (5, 7)],
                surplus=4,
                copies=1,
            )
        ]
    )
    remarks = [line for line in capsys.readouterr().out.splitlines() if line.startswith("outbox ")]

    assert [
        "outbox 0f2c: 3-4 damaged on its disk, in 00000000000000000001.segment at byte 90",
        "outbox 0f2c: 1, 5-7 given to two requests each: an older copy of it went on numbering",
        "outbox 0f2c: an older or second copy of it spoke, and was told to take a new identity",
    ] == remarks
