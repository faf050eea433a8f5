"""Chained records, made as serving makes them and stored as the consumer stores them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mlplatform.contracts import chain as chains
from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, StoredRecord
from mlplatform.contracts.request import EncodedRecord, encode, new_request_id
from mlplatform.database.queue_entries import entry
from mlplatform.database.request_row import RequestRow
from mlplatform.database.requests import DeadLetter
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.evidence.findings import AuditVerdict
from mlplatform.evidence.verify import Scope, verify
from mlplatform.serving.chain import RecordGroup
from mlplatform.serving.salts import Salts

OUTBOX = "0d4f0d4b-53d0-4a5b-9d2e-3b4f6f1a2b3c"
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


def encoded(number: int, *, outbox_id: str = OUTBOX, **changes: Any) -> EncodedRecord:
    """An answered request."""
    values: dict[str, Any] = {
        "outbox_id": outbox_id,
        "sequence": number,
        "request_id": new_request_id(),
        "pipeline": "demo",
        "version": "3",
        "caller": "tester",
        "client_id": None,
        "received_us": 1_700_000_000_123_456 + number,
        "rows": 1,
        "dialect": "rows",
        "body": msgspec.Raw(json.dumps({"rows": [{"a": number}]}).encode()),
        "outputs": msgspec.Raw(f'{{"prediction":[{number}.5]}}'.encode()),
    }
    return EncodedRecord(**(values | changes))


def payloads(
    count: int, *, first: int = 1, head: bytes | None = None, begins: str = "", **changes: Any
) -> list[bytes]:
    """Records `first` and on, as serving's outbox holds them."""
    outbox_id = changes.get("outbox_id", OUTBOX)
    group = RecordGroup(head or chains.before(outbox_id, first), begins, Salts())
    for number in range(first, first + count):
        record = group.sealed(encoded(number, **changes))
        group.take(record, encode(record))
    return group.payloads


def entries(values: Iterable[bytes]) -> list[RequestRow | DeadLetter]:
    """What the consumer makes of them."""
    return [entry(value, partition=0, offset=offset) for offset, value in enumerate(values)]


def stored(values: Iterable[bytes]) -> list[StoredRecord]:
    """The rows as the data API gives them."""
    return [_stored(row) for row in entries(values)]


def judged(
    records: Sequence[StoredRecord], witnesses: Witnesses | None = None, **box: Any
) -> AuditVerdict:
    """The verdict on one outbox of which these are the stored records."""
    highest = max((record.number for record in records), default=0)
    outbox = ProvenOutbox(outbox_id=OUTBOX, first=1, last=highest, highest=highest, **box)
    sheet = EvidenceSheet(read_at=datetime.now(UTC), outboxes=[outbox])
    ordered = sorted(records, key=lambda record: record.number)
    return verify(
        sheet,
        lambda _: ordered,
        Scope(),
        witnesses or Witnesses(),
    )


def named(verdict: AuditVerdict) -> list[tuple[str, int, int]]:
    """What is accused: kind, first and last number."""
    return [(each.kind, each.first, each.last) for box in verdict.outboxes for each in box.findings]


def noted(verdict: AuditVerdict) -> list[tuple[str, int, int]]:
    """What is explained."""
    return [(each.kind, each.first, each.last) for box in verdict.outboxes for each in box.notes]


def new_salt() -> str:
    """As an attacker makes one."""
    return os.urandom(chains.SALT_BYTES).hex()


def _stored(row: RequestRow | DeadLetter) -> StoredRecord:
    assert isinstance(row, RequestRow), row
    microseconds = (row.received_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return StoredRecord(
        number=row.sequence,
        kind="row",
        stored_at=LONG_AGO,
        salt=row.salt and row.salt.hex(),
        digest=row.digest and row.digest.hex(),
        chain=row.chain and row.chain.hex(),
        begins=row.begins,
        request_id=str(row.request_id),
        pipeline=row.pipeline,
        version=row.version,
        caller=row.caller,
        client_id=row.client_id,
        received_us=microseconds,
        rows=row.rows,
        inputs=row.inputs,
        outputs=row.outputs,
        form=row.form,
    )
