"""A record that is too large for the queue.

Its payload stays on disk beside the outbox, and a notice is sent in its place.

So the balance closes (the notice becomes a dead letter with its reason), and nothing is thrown
away: a person finds the payload in `<outbox>/oversize/<sequence>.json` as long as the outbox's
volume exists.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from mlplatform.contracts.request import RequestRecord, decode, encode
from mlplatform.durable import write_whole
from mlplatform.errors import InvalidInput
from mlplatform.outbox import OutboxRecord
from mlplatform.outbox.folder import make, oversize_path

_LONGEST_CLIENT_ID = 200  # a client may have made its id the large part


def set_aside(
    folder: Path, outbox_id: str, record: OutboxRecord, reason: str, *, number: int | None = None
) -> bytes:
    """Keep the payload in the outbox's folder, durably, and return the notice to send.

    `number` is the record's under `outbox_id`, if that is not its number in the folder.
    Raises OSError.
    """
    aside = oversize_path(folder, record.sequence)
    make(aside.parent)
    write_whole(aside, record.payload)
    of = record.sequence if number is None else number
    return encode(notice(outbox_id, of, record, reason))


def notice(outbox_id: str, number: int, record: OutboxRecord, reason: str) -> RequestRecord:
    """The record without its inputs and outputs.

    When the payload is unreadable, only what the outbox knows of it.
    """
    size = len(record.payload)
    try:
        full = decode(record.payload)
    except InvalidInput:  # the shipper rejects nothing: the numbers are right all the same
        return RequestRecord(
            kind="oversize",
            outbox_id=outbox_id,
            sequence=number,
            request_id="",
            pipeline="",
            version="",
            caller="",
            received_us=0,
            rows=0,
            reason=reason,
            size=size,
        )
    client_id = full.client_id[:_LONGEST_CLIENT_ID] if full.client_id else full.client_id
    return msgspec.structs.replace(
        full, kind="oversize", inputs={}, outputs={}, client_id=client_id, reason=reason, size=size
    )
