"""Records of the queue as what the raw database takes (database/queue_entries.py)."""

from __future__ import annotations

from mlplatform.contracts.dead_letters import LetterKind
from mlplatform.database import queue_entries
from mlplatform.database.requests import DeadLetter, Entry
from mlplatform.queue import QueueRecord


def entry(record: QueueRecord) -> Entry:
    """The row of a record, or its dead letter. Never raises."""
    return queue_entries.entry(record.value, partition=record.partition, offset=record.offset)


def dead_letter(record: QueueRecord, kind: LetterKind, reason: str) -> DeadLetter:
    """A dead letter with whatever the record still shows."""
    return queue_entries.dead_letter(
        record.value, kind, reason, partition=record.partition, offset=record.offset
    )
