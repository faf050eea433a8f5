"""Records with their proof in a file, which can be verified without a platform.

NDJSON. Of the records that were chosen it holds all; of those between them only digest and chain,
which tell nothing of their content; and the checkpoints that the chain leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, StoredRecord
from mlplatform.contracts.frozen import Frozen
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.evidence.record import proven

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ExportLine(Frozen):
    """One line: the head of the file, a record, or a checkpoint."""

    format: Literal[1] = 1
    at: datetime | None = None
    choice: dict[str, str] | None = None
    outbox_id: str | None = None
    record: StoredRecord | None = None
    checkpoint: Checkpoint | None = None


class ExportChoice(Frozen):
    """Which records are exported whole. `key` is a column of the inputs and the value it holds."""

    since: datetime | None = None
    until: datetime | None = None
    pipeline: str | None = None
    key: tuple[str, str] | None = None

    def holds(self, record: StoredRecord) -> bool:
        """Whether this record is meant. Dead letters name no pipeline that could be trusted."""
        if record.kind != "row":
            return False
        at = _EPOCH + timedelta(microseconds=record.received_us or 0)
        return (
            (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and self.pipeline in (None, record.pipeline)
            and (self.key is None or _has(record.inputs, *self.key))
        )


def write(
    sheet: EvidenceSheet,
    records: Callable[[ProvenOutbox, int], Iterable[StoredRecord]],
    choice: ExportChoice,
    witnesses: Witnesses,
) -> Iterator[str]:
    """The lines of an export. `records` gives those of an outbox up to a number."""
    said = choice.model_dump(mode="json", exclude_none=True)
    yield _line(at=sheet.read_at, choice={name: str(value) for name, value in said.items()})
    for box in sheet.outboxes:
        seen = witnesses.of(box.outbox_id)
        upto = min((number for number in seen if number >= box.last), default=box.last)
        yield from _outbox(box.outbox_id, records(box, upto), choice, seen)


def _outbox(
    outbox_id: str,
    records: Iterable[StoredRecord],
    choice: ExportChoice,
    seen: Mapping[int, Checkpoint],
) -> Iterator[str]:
    """The chosen records of an outbox, what links them, and the checkpoints behind them."""
    held: list[StoredRecord] = []  # digests that may be needed: for what is chosen next
    leads = uncovered = False
    for record in records:
        chosen = choice.holds(record)
        held.append(record if chosen else _digest_of(record))
        checkpoint = seen.get(record.number)
        uncovered |= chosen
        if chosen or (checkpoint and uncovered):
            # Of all that comes before the first one, only its predecessor.
            for each in held if leads else held[-2:]:
                yield _line(outbox_id=outbox_id, record=each)
            leads, held = True, []
        if checkpoint and uncovered:
            yield _line(checkpoint=checkpoint)
            uncovered = False
        if not leads:
            del held[:-1]


def _line(**values: Any) -> str:
    return ExportLine(**values).model_dump_json(exclude_none=True)


def _digest_of(record: StoredRecord) -> StoredRecord:
    """What links the records around it, and nothing of what it holds."""
    proof = proven(record).proof
    return StoredRecord(
        number=record.number,
        kind="digest",
        stored_at=record.stored_at,
        digest=proof and proof.digest.hex(),
        chain=proof and proof.chain.hex(),
        begins=(proof and proof.begins) or None,
    )


def _has(inputs: str | None, column: str, value: str) -> bool:
    """Whether a column of the inputs holds the value, as text."""
    columns = msgspec.json.decode(inputs or "{}")
    return any(str(cell) == value for cell in columns.get(column, []))
