"""What a verification says: findings, which accuse, and notes, which explain."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from mlplatform.contracts.frozen import Frozen

Accusation = Literal["changed", "removed", "swapped", "inserted", "broken", "rewritten"]
Explanation = Literal[
    "damaged",
    "given up",
    "retention",
    "dead letter",
    "oversize",
    "forgotten",
    "forgotten in part",
    "corrected",
    "not chained",
    "begins anew",
    "not stored yet",
    "unproven",
]


class ChainFinding(Frozen):
    """Records of an outbox, by number, that are not what was recorded."""

    outbox_id: str
    first: int
    last: int
    kind: Accusation
    detail: str


class Note(Frozen):
    """Records that can't be proven, or not fully, and why that is no accusation."""

    outbox_id: str
    first: int
    last: int
    kind: Explanation
    detail: str = ""


class OutboxVerdict(Frozen):
    """What was found of one outbox; `proven` counts records that are what was recorded.

    `witnessed` is the highest number that a checkpoint agrees with; None: no checkpoint does.
    """

    outbox_id: str
    first: int
    last: int
    proven: int = 0
    witnessed: int | None = None
    findings: tuple[ChainFinding, ...] = ()
    notes: tuple[Note, ...] = ()


class AuditVerdict(Frozen):
    """What was found of all outboxes. `ok` if nothing is accused."""

    ok: bool
    at: datetime
    outboxes: tuple[OutboxVerdict, ...]
    numberless: tuple[str, ...] = ()
    imported: int = 0
    refused: tuple[str, ...] = ()  # checkpoints that can't be believed, and why
    signed: int = 0
    unsigned: int = 0
