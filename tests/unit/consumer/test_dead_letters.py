"""The guard against a bad deploy."""

from __future__ import annotations

from uuid import uuid4

from mlplatform.consumer.dead_letters import DeadLetterGuard
from mlplatform.consumer.decode import entry
from mlplatform.contracts.request import RequestRecord, encode
from mlplatform.database.queue_entries import OVERSIZE, UNREADABLE
from mlplatform.database.requests import DeadLetter, Entry
from mlplatform.queue import QueueRecord


def bad(offset: int, partition: int = 0, kind: str = UNREADABLE) -> DeadLetter:
    return DeadLetter(partition=partition, offset=offset, kind=kind, reason="why", payload=b"")


def good(offset: int, partition: int = 0) -> Entry:
    record = RequestRecord(
        outbox_id=str(uuid4()),
        sequence=1,
        request_id=str(uuid4()),
        pipeline="p",
        version="1",
        caller="c",
        received_us=1,
        rows=1,
    )
    return entry(QueueRecord(partition, offset, b"", encode(record)))


def none_before(_: int, __: int) -> int:
    return 0


def test_below_the_limit_all_pass() -> None:
    """Dead letters up to the limit are admitted, over batches."""
    guard = DeadLetterGuard(3, none_before)

    assert guard.admit([bad(0), bad(1)]) == ([bad(0), bad(1)], None)
    guard.stored([bad(0), bad(1)])
    assert guard.admit([bad(2)])[1] is None
    guard.stored([bad(2)])
    assert guard.admit([bad(3)])[1] is not None


def test_what_was_not_stored_does_not_count() -> None:
    """A batch may be admitted again and again while it can't be stored."""
    guard = DeadLetterGuard(2, none_before)

    assert [None] * 3 == [guard.admit([bad(0), bad(1)])[1] for _ in range(3)]


def test_what_precedes_the_limit_is_admitted() -> None:
    """The batch is cut right before the record that is one too many, which the error names."""
    admitted, error = DeadLetterGuard(2, none_before).admit([bad(0), bad(1), bad(2), good(3)])

    assert admitted == [bad(0), bad(1)]
    assert "at offset 2: why" in str(error)


def test_a_good_record_begins_anew() -> None:
    """A readable record of the partition, or a readable notice, ends the row; others don't."""
    guard = DeadLetterGuard(2, none_before)

    first = [bad(0), bad(1), good(2), bad(3), bad(4, kind=OVERSIZE), bad(5), bad(6)]
    assert guard.admit(first)[1] is None
    guard.stored(first)
    assert guard.admit([good(0, partition=1), bad(7)])[1] is not None


def test_a_restart_counts_on() -> None:
    """What the database already has right before a partition's first dead letter counts."""
    asked: list[tuple[int, int]] = []

    def two_before(partition: int, offset: int) -> int:
        asked.append((partition, offset))
        return 2

    admitted, error = DeadLetterGuard(3, two_before).admit([bad(10), bad(11)])

    assert (admitted, asked) == ([bad(10)], [(0, 10)])
    assert error is not None
