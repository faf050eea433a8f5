"""Stored records with their proof, read on a standby of the raw database."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, RecordsPage, StoredRecord
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

PARTS = queries.load("evidence")
SQL = {
    name: statement.format(facts=PARTS["facts"])
    for name, statement in PARTS.items()
    if name != "facts"
}
MOST_NUMBERLESS = 1_000
PAGE_RECORDS = 5_000
PAGE_BYTES = 8 * 1024 * 1024
"""What a page may hold, however large its records are; one record may be larger."""
_FETCHED = 100
_NEVER = 2**63 - 1
_BYTES = ("salt", "digest", "chain")


def sheet(raw: Connection, since: datetime | None, until: datetime | None) -> EvidenceSheet:
    """The outboxes of a window of time, and what can't be proven at all."""
    window = {"since": since, "until": until, "most": MOST_NUMBERLESS}
    with raw.cursor(row_factory=dict_row) as cursor:
        outboxes = cursor.execute(SQL["outboxes"], window).fetchall()
    numberless = raw.execute(SQL["numberless"], window).fetchall()
    found = raw.execute("SELECT now()").fetchone()
    imported = raw.execute(SQL["imported"], window).fetchone()
    assert found is not None
    assert imported is not None
    return EvidenceSheet(
        read_at=found[0],
        outboxes=[ProvenOutbox(**outbox) for outbox in outboxes],
        numberless=tuple(request_id for (request_id,) in numberless),
        imported=int(imported[0]),
    )


def known(raw: Connection, outbox_ids: Sequence[str]) -> list[ProvenOutbox]:
    """What this server knows of outboxes of which only others have a record in the window.

    To be united with what those have: `first` is above every number, `last` is 0.
    """
    values = {"ids": list(outbox_ids), "never": _NEVER}
    with raw.cursor(row_factory=dict_row) as cursor:
        return [ProvenOutbox(**each) for each in cursor.execute(SQL["known"], values).fetchall()]


def page(raw: Connection, outbox_id: str, *, after: int, upto: int) -> RecordsPage:
    """The records above `after`, up to `upto`: as many as fit, those of one number together."""
    records: list[StoredRecord] = []
    size = 0
    values = {"outbox_id": outbox_id, "after": after, "upto": upto}
    # On the server's side: what doesn't fit into the page is not read.
    with raw.cursor(name="evidence", row_factory=dict_row) as cursor:
        cursor.itersize = _FETCHED
        cursor.execute(SQL["records"], values)
        for record in _shaped(cursor):
            full = len(records) >= PAGE_RECORDS or size > PAGE_BYTES
            if full and record.number != records[-1].number:
                return RecordsPage(records=records, last=False)
            records.append(record)
            size += sum(len(text or "") for text in (record.inputs, record.outputs, record.payload))
            size += len(record.form or "")
    return RecordsPage(records=records, last=True)


def _shaped(rows: Iterator[dict[str, Any]]) -> Iterator[StoredRecord]:
    for row in rows:
        payload = row.pop("payload")
        for name in _BYTES:
            row[name] = None if row[name] is None else row[name].hex()
        yield StoredRecord(**row, payload=payload and b64encode(payload).decode())
