"""Balances and proofs of a running data API, and an outbox whose records are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mlplatform.contracts.balance import BalanceSheet
from mlplatform.contracts.request import RequestRecord, encode, new_request_id
from mlplatform.database import queue_entries
from mlplatform.database.requests import RequestStore

NAME = "manual-one"
TOPIC = "mlplatform.requests"


@dataclass
class Outbox:
    """An outbox whose records are stored as the consumer does."""

    api: Any
    requests: RequestStore
    id: str = field(default_factory=lambda: str(uuid4()))

    def store(self, *numbers: int, refused: bool = False, **changes: Any) -> None:
        """One record for each number, in the partition that the number gives."""
        for number in numbers:
            part = number % 2
            sent = encode(self.record(number, **changes))
            offset = self.requests.positions([part]).get(part, 0)
            found = (
                queue_entries.dead_letter(sent, "refused", "x", partition=part, offset=offset)
                if refused
                else queue_entries.entry(sent, partition=part, offset=offset)
            )
            self.requests.store([found], holes={})

    def record(self, number: int, **changes: Any) -> RequestRecord:
        """What serving sends."""
        values: dict[str, Any] = {
            "outbox_id": self.id,
            "sequence": number,
            "request_id": new_request_id(),
            "pipeline": NAME,
            "version": "1",
            "caller": "me",
            "received_us": 1_700_000_000_000_000,
            "rows": 1,
            "inputs": {"width": [2.5], "person": ["anna"]},
            "outputs": {"kind": ["rose"]},
        }
        return RequestRecord(**(values | changes))


def quick(api: Any) -> BalanceSheet:
    """The balance as everybody gets it."""
    api.databases.catch_up()
    with api.client("admin") as client:
        return client.balance()


def prove(api: Any) -> BalanceSheet:
    """Count everything, and wait until the standby knows what was kept."""
    api.databases.catch_up()
    with api.client("keeper") as client:
        sheet = client.prove_balance()
    api.databases.catch_up()
    return sheet


def numbers(sheet: BalanceSheet) -> dict[str, Any]:
    """All that it says but for the moments of counting."""
    moments = {"proven_at": True, "outboxes": {"__all__": {"oldest_gap_s"}}}
    return sheet.model_dump(exclude=moments)


def same(api: Any) -> BalanceSheet:
    """The balance; asserts that counting all rows gives the same."""
    taken, proven = quick(api), prove(api)
    assert numbers(proven) == numbers(taken)
    return taken
